"""What the tests of this template share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from kit.task import Completion, Example, Record, Task, write_answer
from kit.task.loader import load_module

PROJECT = Path(__file__).parents[1]


def module(name: str) -> ModuleType:
    """Return one of the template's modules."""
    return load_module(PROJECT, f"{name}.py")


def said(text: str, probability: float = 1.0) -> Completion:
    """A model's answer and its probability."""
    return Completion(text, (1,), (math.log(probability),))


def perfect(task: Task[Any, Any], row: Example[Any, Any]) -> Any:
    """The response where the model writes just the targets; where there is none, it may write anything."""
    targets = task.targets(row.request, row.response)
    return task.read(row.request, [said("negative" if each is None else write_answer(each)) for each in targets])


def scores(task: Task[Any, Any], records: Sequence[Record]) -> dict[str, float | None]:
    """Every metric of the task."""
    return {name: metric.reduce(records) for name, metric in task.metrics.items()}
