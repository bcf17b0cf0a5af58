"""What the tests of this template share: its modules as the kit loads them, and answers of a model."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

from kit.recipe import TaskSection
from kit.task import Completion, Example, Task, write_answer
from kit.task.loader import load_module, load_task

PROJECT = Path(__file__).parents[1]
REQUEST = {
    "question": "Does tarsolin reduce falls in older adults?",
    "evidence": [
        {"id": "trial", "text": "Tarsolin 20 mg a day reduced falls in older adults by 30%."},
        {"id": "leaflet", "text": "Tarsolin is kept at 4 °C."},
    ],
}


def module(name: str) -> ModuleType:
    """Return one of the template's modules."""
    return load_module(PROJECT, f"{name}.py")


def make_task(**options: Any) -> Task[Any, Any]:
    """Return the task with options."""
    return load_task(PROJECT, TaskSection(use="task.py:MedicalAnswering", options=options))


def request(task: Task[Any, Any], **changes: Any) -> Any:
    """A question with two passages, or with other values."""
    return task.request_type.model_validate({**REQUEST, **changes})


def answered(task: Task[Any, Any], verdict: str, answer: str, cites: list[int], **changes: Any) -> Any:
    """What the task makes of a verdict and an answer."""
    written = json.dumps({"evidence": cites, "answer": answer})
    return task.read(request(task, **changes), [Completion(verdict), Completion(written)])


def perfect(task: Task[Any, Any], row: Example[Any, Any]) -> Any:
    """What the task makes of the targets of an example, read back."""
    targets = task.targets(row.request, row.response)
    return task.read(row.request, [Completion(write_answer(each) if each is not None else "{}") for each in targets])


def score(task: Task[Any, Any], rows: list[Example[Any, Any]], answers: list[Any]) -> dict[str, float | None]:
    """All metrics of these answers."""
    records = [task.observe(row.response, answer) for row, answer in zip(rows, answers, strict=True)]
    return {name: metric.reduce(records) for name, metric in task.metrics.items()}
