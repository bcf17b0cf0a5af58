"""Answers without a word: a model that learns them learns to end at once."""

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
    """Say whether a text shows nothing: white space, control and format characters only."""
    return all(unicodedata.category(character) in _UNSEEN for character in text)


def blank_answers(
    task: Task[Any, Any], examples: Sequence[Example[Any, Any]], places: Mapping[str, str]
) -> dict[str, Problem]:
    """Return a problem for each example, by id, one of whose targets is a text that shows nothing.

    An example that the task refuses is none of them: the checks of the rows name it.
    """
    found = {}
    for example in examples:
        try:
            targets = task.targets(example.request, example.response) if example.weight else ()
        except KitError:
            continue
        if any(isinstance(target, str) and is_blank(target) for target in targets):
            what = f"Example '{example.id}' has an answer without a word: it teaches to end at once."
            found[example.id] = Problem(what, places.get(example.id, ""), BLANK_ADVICE)
    return found


def check_blank(task: Task[Any, Any], train: Sequence[Example[Any, Any]], places: Mapping[str, str]) -> Check:
    """Find training examples whose answer shows nothing; to some tasks that is an answer, so it stops nothing."""
    problems = list(blank_answers(task, train, places).values())
    return Check.listed("data.blank", problems, "Every training example has an answer to write.", blocking=False)
