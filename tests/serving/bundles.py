"""Bundles without weights: sealed, verified and served like any other, but a `ControlledEngine` answers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from kit.base import NANO, find_base
from kit.bundle.manifest import canonical_json, write_manifest
from kit.bundle.plan import BuildPlan
from kit.bundle.seal import SEAL_FILE, Noise, read_seal
from kit.bundle.sealing import make_seal
from kit.bundle.store import Bundle
from kit.chat import Renderer
from kit.project.project import Project
from kit.recipe import Recipe
from kit.task import Message
from kit.task.files import task_files
from tests.serving.controlled_engine import FINGERPRINT

TEMPLATES = Path(__file__).parents[2] / "templates"
TASK = '''"""Count the windows of a text that name a thing."""
from pydantic import Field
from kit.errors import InputError
from kit.metrics.reductions import mean_of
from kit.task import Message, Prompt, Strict, Task, UnreadableAnswer, parse_answer

WINDOW = 2000


class Ask(Strict):
    text: str = Field(min_length=1)
    thing: str = "barrel"


class Seen(Strict):
    present: bool


class Counted(Strict):
    windows: int
    with_thing: int
    characters: int


class Counter(Task[Ask, Counted]):
    """Counts the windows of a text in which a thing is named."""

    name, route, request_type, response_type = "counter", "/v1/counter", Ask, Counted
    metrics, main_metric = {"same": mean_of("same")}, "same"

    def prompts(self, request):
        if request.thing == "nothing":
            raise InputError("Nothing cannot be counted.", "thing", "Name a thing.")
        cuts = range(0, len(request.text), WINDOW)
        asks = [f"{request.thing}? {request.text[cut:cut + WINDOW]}" for cut in cuts]
        return [Prompt(Seen, 16, (Message.of("user", ask),)) for ask in asks]

    def targets(self, request, response):
        return [None for _ in self.prompts(request)]

    def read(self, request, completions):
        seen = [parse_answer(Seen, completion) for completion in completions]
        read = sum(len(request.text[i * WINDOW:(i + 1) * WINDOW]) for i in range(len(seen)))
        return Counted(windows=len(seen), with_thing=sum(item.present for item in seen), characters=read)

    def observe(self, expected, actual):
        return {"same": float(expected == actual)}
'''
DIALOGUES = (
    [Message.of("user", "Hello")],
    [Message.of("system", "Be brief."), Message.of("user", "Hello"), Message.of("assistant", "Good day")],
)


def weightless_bundle(
    place: Path,
    name: str = "counter",
    form: str = "merged",
    task: str = TASK,
    weights: bool = False,
    chat_template: str | None = None,
) -> Bundle:
    """Write a bundle into a folder named after its digest, as a store does; `weights` adds the base's weights.

    `chat_template` replaces the base's own.
    """
    project = place / f"{name}-project"
    project.mkdir(parents=True)
    (project / "task.py").write_text(task)
    adapter = _adapter(place / f"{name}-adapter")
    recipe = Recipe.model_validate(
        {
            "name": name,
            "base": {"model": "nano"},
            "tasks": [{"use": "task.py:Counter"}],
            "bundle": {"form": form, "intended_use": "Tests."},
        }
    )
    plan = BuildPlan(recipe, find_base("nano"), adapter, project, (), DIALOGUES, "d" * 64, {})
    return _write(place, plan, weights, chat_template)


def template_bundle(place: Path, template: str, profile: str) -> Bundle:
    """Write a bundle with a template's own task."""
    project = place / template
    shutil.copytree(TEMPLATES / template, project)
    recipe = Project(project).recipe(profile)
    adapter = _adapter(place / f"{template}-adapter")
    return _write(place, BuildPlan(recipe, find_base("nano"), adapter, project, (), DIALOGUES, "d" * 64, {}))


def _adapter(folder: Path) -> Path:
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps({"r": 8, "lora_alpha": 16, "target_modules": ["q_proj"]}))
    return folder


def _write(place: Path, plan: BuildPlan, weights: bool = False, chat_template: str | None = None) -> Bundle:
    staging = place / "staging"
    tokenizer = staging / ("model" if plan.recipe.bundle.form == "merged" else "tokenizer")
    unused = ("*.md", "*.py", "*.png", "__pycache__", *(() if weights else ("*.safetensors",)))
    shutil.copytree(NANO, tokenizer, ignore=shutil.ignore_patterns(*unused))
    if chat_template is not None:
        (tokenizer / "chat_template.jinja").write_text(chat_template)
    (staging / "task").mkdir()
    for section in plan.recipe.tasks:
        for name, source in task_files(plan.project, section.use.split(":")[0]).items():
            (staging / "task" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, staging / "task" / name)
    (staging / "task" / "recipe.json").write_bytes(canonical_json(plan.recipe.model_dump(mode="json")))
    seal = make_seal(plan, staging, Renderer(tokenizer), [FINGERPRINT], Noise(mean=0.01, largest=0.1))
    (staging / SEAL_FILE).write_bytes(canonical_json(seal.model_dump(mode="json")))
    digest = write_manifest(staging)
    return Bundle(digest, staging.rename(place / digest), read_seal(place / digest))
