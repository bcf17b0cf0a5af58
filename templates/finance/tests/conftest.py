"""What the project's own tests share: the tasks as the recipe makes them, and their examples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kit.recipe import load_recipe
from kit.task import Example, Task
from kit.task.loader import load_tasks

PROJECT = Path(__file__).parents[1]
Rows = dict[str, list[Example[Any, Any]]]


@pytest.fixture(scope="session")
def tasks() -> dict[str, Task[Any, Any]]:
    """Both tasks by name."""
    return {task.name: task for task in load_tasks(PROJECT, load_recipe(PROJECT / "recipe.yaml"))}


@pytest.fixture(scope="session")
def sentiment(tasks: dict[str, Task[Any, Any]]) -> Task[Any, Any]:
    """The task of sentiment."""
    return tasks["sentiment"]


@pytest.fixture(scope="session")
def report(tasks: dict[str, Task[Any, Any]]) -> Task[Any, Any]:
    """The task of reports."""
    return tasks["report"]


def _rows(task: Task[Any, Any], prefix: str) -> Rows:
    kind = task.example_type()
    files = {split: PROJECT / f"data/{prefix}{split}.jsonl" for split in ("train", "test")}
    return {
        split: [kind.model_validate_json(line) for line in file.read_text(encoding="utf-8").splitlines()]
        for split, file in files.items()
    }


@pytest.fixture(scope="session")
def news(sentiment: Task[Any, Any]) -> Rows:
    """The examples of sentiment."""
    return _rows(sentiment, "")


@pytest.fixture(scope="session")
def reports(report: Task[Any, Any]) -> Rows:
    """The examples of reports."""
    return _rows(report, "reports-")
