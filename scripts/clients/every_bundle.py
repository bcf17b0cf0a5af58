"""One service on vLLM with a bundle of every template for a domain, each trained for a few steps on the small base."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from kit.data.formats import read_file
from kit.project.template import RECIPE_FILE, Template, list_templates
from kit.recipe import load_recipe
from kit.task import Task
from kit.task.loader import load_tasks
from kit.workflows import new, train
from tests.e2e.conftest import with_profiles

FIRST = "code"
"""The default model of the service: editors leave the model empty."""
TEMPLATES = sorted((each for each in list_templates() if not each.is_starter), key=lambda each: each.name != FIRST)
_TRAIN_ROWS = {"legal": 8}  # a contract has about sixteen windows, each with a training row of its own
_FEW_ROWS = 48


@dataclass(frozen=True)
class Everything:
    """A running service, and the digest of each template's bundle by the name of the template."""

    url: str
    bundles: Mapping[str, str]


@dataclass(frozen=True)
class Route:
    """A typed route of a template, with the worked request of its page."""

    template: str
    task: Task[Any, Any]
    request: str

    @property
    def path(self) -> str:
        """Where the service answers."""
        return self.task.route


def routes() -> Iterator[Route]:
    """Yield every typed route of the templates."""
    for template in TEMPLATES:
        recipe = load_recipe(template.folder / RECIPE_FILE)
        for section, task in zip(recipe.tasks, load_tasks(template.folder, recipe), strict=True):
            request = _worked_request(template, task, Path((section.data or recipe.data).test))
            yield Route(template.name, task, request.model_dump_json(exclude_unset=True))


def _worked_request(template: Template, task: Task[Any, Any], data: Path) -> BaseModel:
    """Return the first JSON on the template's page that is a request of the task; else that of the first test row."""
    page = (template.folder / "README.md").read_text(encoding="utf-8").partition(f"`POST {task.route}`")[2]
    for start in re.finditer(r"\{", page):
        try:
            return task.request_type.model_validate(json.JSONDecoder().raw_decode(page, start.start())[0])
        except (ValidationError, json.JSONDecodeError):
            continue
    request: BaseModel = read_file(template.folder / data, task).examples[0].request
    return request


def train_every(folder: Path) -> dict[str, str]:
    """Make a project of every template in a folder, and train it in this process; return the bundles by template."""
    return {each.name: _train(each, folder / each.name) for each in TEMPLATES}


def _train(template: Template, project: Path) -> str:
    new(template.name, project)
    recipe = yaml.safe_load((project / RECIPE_FILE).read_text(encoding="utf-8"))
    few = _few(recipe["profiles"]["smoke"], _TRAIN_ROWS.get(template.name, _FEW_ROWS))
    with_profiles(project, few=few)
    return train(project, profile="few", threads=1).bundle


def _few(smoke: dict[str, Any], count: int) -> dict[str, Any]:
    """Return the smoke profile with a few rows of each task, as adapters that one engine can serve."""
    rows = {"limit_train": count, "limit_validation": 2}
    tasks = [{**task, "data": {**task["data"], **rows}} if "data" in task else task for task in smoke["tasks"]]
    train = {**smoke["train"], "epochs": 1, "batch_rows": 4, "evaluations": 1}
    return {
        **smoke, "tasks": tasks, "data": {**smoke.get("data", {}), **rows}, "train": train,
        "bundle": {"form": "adapter"},
    }  # fmt: skip
