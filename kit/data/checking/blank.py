"""Finds empty answers: a model that learns them learns to stop at once."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from kit.checks import Check
from kit.errors import KitError, Problem
from kit.task import Example, Task

BLANK_ADVICE = "Write the answer, or remove the row."
_UNSEEN = {"Cc", "Cf", "Zs", "Zl", "Zp"}


def is_blank(text: str) -> bool:
    """Return whether a text has only white space, control and format characters."""
    return all(unicodedata.category(character) in _UNSEEN for character in text)


def blank_answers(
    task: Task[Any, Any], examples: Sequence[Example[Any, Any]], places: Mapping[str, str]
) -> dict[str, Problem]:
    """Return, by id, a problem for each example with a blank target.

    Examples that the task refuses are skipped here; the checks of the rows report them.
    """
    found = {}
    for example in examples:
        try:
            targets = task.targets(example.request, example.response) if example.weight else ()
        except KitError:
            continue
        if any(isinstance(target, str) and is_blank(target) for target in targets):
            what = f"Example '{example.id}' has an empty answer: it teaches the model to stop at once."
            found[example.id] = Problem(what, places.get(example.id, ""), BLANK_ADVICE)
    return found


def check_blank(task: Task[Any, Any], train: Sequence[Example[Any, Any]], places: Mapping[str, str]) -> Check:
    """Find training examples with a blank answer. It only warns, because a blank answer is valid for some tasks."""
    problems = list(blank_answers(task, train, places).values())
    return Check.listed("data.blank", problems, "No training example has an empty answer.", blocking=False)
