"""What a model is made to write in the tests, and what the task makes of it."""

from __future__ import annotations

import json
from typing import Any

from kit.task import Completion, Example, Task, write_answer

CLAUSE = "This Agreement is governed\n  by the law of Sweden."
TEXT = f"SUPPLY AGREEMENT\n\n1. Law. {CLAUSE} The governing body meets in May.\n\n2. Term. It ends in June."


def quoted(*quotes: tuple[str, str]) -> str:
    """What the model writes where it quotes these clauses of these kinds."""
    answer: dict[str, list[str]] = {}
    for label, quote in quotes:
        answer.setdefault(label.replace("_", " "), []).append(quote)
    return json.dumps(answer)


def answered(task: Task[Any, Any], written: str, text: str = TEXT, **request: Any) -> Any:
    """What the task makes of an answer about a document of one window."""
    asked = task.request_type.model_validate({"text": text, **request})
    return task.read(asked, [Completion(written)])


def with_options(task: Task[Any, Any], **options: Any) -> Task[Any, Any]:
    """The same task with other options."""
    return type(task)(task.options.model_copy(update=options))


def scores_of_a_perfect_model(task: Task[Any, Any], rows: list[Example[Any, Any]]) -> dict[str, float | None]:
    """The metrics where a model writes of each window just what it shows.

    Every answer is read to the end and in the document's own words.
    """
    records, whole = [], with_options(task, empty_share=1.0)
    for row in rows:
        targets = whole.targets(row.request, row.response)
        actual = task.read(row.request, [Completion(write_answer(target)) for target in targets if target is not None])
        assert actual.coverage == 1.0
        assert not actual.unlocated
        assert all(row.request.text[each.start : each.end] == each.exact for each in actual.clauses)
        records.append(task.observe(row.response, actual))
    return {name: metric.reduce(records) for name, metric in task.metrics.items()}
