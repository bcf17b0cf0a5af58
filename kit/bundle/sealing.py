"""Makes the seal of a staged bundle: everything that serving must reproduce."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kit.adapters.format import ADAPTER_CONFIG
from kit.base import Base
from kit.bundle.manifest import entries_digest, list_files
from kit.bundle.plan import BuildPlan
from kit.bundle.seal import (
    Digests,
    Fingerprint,
    GoldenRender,
    Noise,
    Seal,
    SealedAdapter,
    SealedBase,
    SealedTask,
    SealedTurn,
)
from kit.bundle.store import recipe_digest, task_entries, weight_entries
from kit.bundle.training_record import examples_digest
from kit.chat import TOKENIZER_FILES, Renderer
from kit.engines.answerer import SamplingDefaults
from kit.recipe import Recipe
from kit.system.files import file_digest
from kit.task import Message, Task
from kit.task.loader import load_tasks


def make_seal(
    plan: BuildPlan, folder: Path, renderer: Renderer, fingerprints: Sequence[Fingerprint], noise: Noise
) -> Seal:
    """Return the seal of a staged bundle, whose weights, tokenizer and task are already in `folder`."""
    recipe, entries = plan.recipe, list_files(folder)
    return Seal(
        name=recipe.name,
        form=recipe.bundle.form,
        base=_sealed_base(recipe, plan.base),
        adapter=_sealed_adapter(recipe, plan.adapter),
        tasks=_sealed_tasks(recipe, plan.project),
        tokenizer=_tokenizer_hashes(renderer.folder),
        template_args=recipe.base.template_args,
        stop_ids=list(renderer.stop_ids),
        sampling=SamplingDefaults(),
        max_length=recipe.serve.max_length,
        golden=[golden_render(renderer, dialogue) for dialogue in plan.dialogues],
        fingerprints=list(fingerprints),
        noise=noise,
        digests=Digests(
            weights=entries_digest(weight_entries(entries)),
            task=entries_digest(task_entries(entries)),
            recipe=recipe_digest(entries),
            data=plan.data_digest,
            examples=examples_digest(entries),
        ),
        licences=recipe.bundle.licences,
        intended_use=recipe.bundle.intended_use,
    )


def golden_render(renderer: Renderer, dialogue: Sequence[Message]) -> GoldenRender:
    """Render one dialogue as untrusted text, with a generation prompt unless the assistant wrote last."""
    messages = [Message.of(message.role, message.text) for message in dialogue]
    generation = messages[-1].role != "assistant"
    return GoldenRender(
        turns=[SealedTurn(role=message.role, text=message.text) for message in messages],
        generation=generation,
        text=renderer.text(messages, generation),
        ids=list(renderer.dialogue(messages, generation)),
    )


def schema_digest(task: Task[Any, Any]) -> str:
    """SHA-256 of a task's request and response schemas: two bundles behind one route must have the same."""
    schemas = [task.request_type.model_json_schema(), task.response_type.model_json_schema()]
    return hashlib.sha256(json.dumps(schemas, sort_keys=True).encode()).hexdigest()


def _sealed_base(recipe: Recipe, base: Base) -> SealedBase:
    return SealedBase(
        model=base.name, revision=base.revision, weights_digest=base.weights_digest(), dtype=recipe.base.dtype
    )


def _sealed_adapter(recipe: Recipe, adapter: Path) -> SealedAdapter:
    section = recipe.train
    method = section.peft.type if section.method == "peft" else section.method
    if section.method == "full":
        return SealedAdapter(method=method)
    config = json.loads((adapter / ADAPTER_CONFIG).read_text(encoding="utf-8"))
    targets = config.get("target_modules") or config.get("targets") or []
    listed = [targets] if isinstance(targets, str) else sorted(targets)
    if section.method not in ("lora", "qlora"):
        return SealedAdapter(method=method, targets=listed)
    return SealedAdapter(method=method, rank=config["r"], alpha=config["lora_alpha"], targets=listed)


def _sealed_tasks(recipe: Recipe, project: Path) -> list[SealedTask]:
    tasks = load_tasks(project, recipe)
    return [
        SealedTask(name=task.name, route=task.route, use=section.use, schema_digest=schema_digest(task))
        for section, task in zip(recipe.tasks, tasks, strict=True)
    ]


def _tokenizer_hashes(folder: Path) -> dict[str, str]:
    return {name: file_digest(folder / name) for name in TOKENIZER_FILES if (folder / name).is_file()}
