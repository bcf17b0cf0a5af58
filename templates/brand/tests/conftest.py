"""What the project's own tests share: the task as the recipe makes it, its examples, and the template's modules."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from kit.recipe import load_recipe
from kit.task import Example, Task
from kit.task.loader import load_module, load_tasks

PROJECT = Path(__file__).parents[1]


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known in a project, which has no configuration of pytest."""
    config.addinivalue_line("markers", "public_data: reads public sets from the folder that DOMAINKIT_DATA names")


@pytest.fixture(scope="session")
def task() -> Task[Any, Any]:
    """The task with the options of the profile `smoke`."""
    return load_tasks(PROJECT, load_recipe(PROJECT / "recipe.yaml", "smoke"))[0]


@pytest.fixture(scope="session")
def examples(task: Task[Any, Any]) -> dict[str, list[Example[Any, Any]]]:
    """Training and test examples."""
    kind = task.example_type()
    return {
        split: [kind.model_validate_json(line) for line in (PROJECT / f"data/{split}.jsonl").open(encoding="utf-8")]
        for split in ("train", "test")
    }


@pytest.fixture(scope="session")
def generated() -> dict[str, list[dict[str, Any]]]:
    """The rows that generate.py makes now."""
    rows: dict[str, list[dict[str, Any]]] = load_module(PROJECT, "generate.py").generate()
    return rows


@pytest.fixture(scope="session")
def script() -> ModuleType:
    """The script that measures the voice."""
    return load_module(PROJECT, "fingerprint.py")
