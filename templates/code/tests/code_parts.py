"""What the tests of this template share: its modules as the kit loads them, and answers of a model."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from kit.recipe import TaskSection
from kit.task import Completion, Example, Task, write_answer
from kit.task.loader import load_module, load_task

PROJECT = Path(__file__).parents[1]

PREFIX = 'def total(prices):\n    """Add up."""\n    result = 0\n    for price in prices:\n'
MIDDLE = "        result += price\n"
SUFFIX = "    return result\n"


@cache
def module(name: str) -> ModuleType:
    """Return one of the template's modules."""
    return load_module(PROJECT, f"{name}.py")


def make_task(**options: Any) -> Task[Any, Any]:
    """Return the task with options."""
    return default_task() if not options else _loaded(options)


@cache
def default_task() -> Task[Any, Any]:
    """Return the task without options."""
    return _loaded({})


def _loaded(options: dict[str, Any]) -> Task[Any, Any]:
    return load_task(PROJECT, TaskSection(use="task.py:Complete", options=options))


def answered(written: str, prefix: str = PREFIX, suffix: str = SUFFIX, finish: Any = "stop", **request: Any) -> Any:
    """What the task makes of what a model wrote for a gap."""
    task = make_task()
    asked = task.request_type.model_validate({"prefix": prefix, "suffix": suffix, **request})
    return task.read(asked, [Completion(written, finish=finish)])


def perfect(task: Task[Any, Any], row: Example[Any, Any]) -> Any:
    """What the task reads where the model writes exactly what it was taught."""
    written = [Completion(write_answer(target)) for target in task.targets(row.request, row.response) if target]
    return task.read(row.request, written)


def scores(task: Task[Any, Any], pairs: list[tuple[Any, Any]]) -> dict[str, float | None]:
    """Return every metric over pairs of an expected and an actual response."""
    records = [task.observe(expected, actual) for expected, actual in pairs]
    return {name: metric.reduce(records) for name, metric in task.metrics.items()}
