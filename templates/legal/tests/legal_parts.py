"""What the tests of this template share: its modules as the kit loads them, answers of a model, and any texts."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

from hypothesis import strategies as st

from kit.recipe import TaskSection
from kit.task import Completion, Example, Task, write_answer
from kit.task.loader import load_module, load_task

PROJECT = Path(__file__).parents[1]
SMALL = {"window": 300, "overlap": 100}

WORDS = st.text(st.sampled_from("abXYZ019,.;é\u0301\U0001d538\U0001f4ce§“中"), min_size=1)
BLANKS = st.sampled_from([" ", "  ", "\n", "\r\n", "\n\n", "\t", "\u00a0", "\u2003"])
TEXTS = st.lists(st.tuples(WORDS, BLANKS), min_size=1, max_size=120).map(lambda pairs: "".join(map("".join, pairs)))
ANY_TEXT = st.one_of(TEXTS, st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=900))


def module(name: str) -> ModuleType:
    """Return one of the template's modules."""
    return load_module(PROJECT, f"{name}.py")


def make_task(**options: Any) -> Task[Any, Any]:
    """Return the task with options."""
    return load_task(PROJECT, TaskSection(use="task.py:ClauseExtraction", options=options))


def written(task: Task[Any, Any], **quotes: list[str]) -> str:
    """What the model writes where it gives these quotes of these kinds."""
    answer = {label.replace("_", " "): quotes[label] for label in task.options.categories if label in quotes}
    return json.dumps(answer)


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
