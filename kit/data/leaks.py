"""Test examples that a model was trained on: then a score says how well it remembers, and not how often it is right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kit.data.keys import Keys, group_key, request_key
from kit.errors import Problem
from kit.task import Example


def leaked(
    examples: Sequence[Example[Any, Any]], places: Mapping[str, str], trained: Keys, how: str = "was trained on"
) -> list[Problem]:
    """Return one problem per example whose request or group is among those that were trained on.

    `places` maps an example's id to its file and line; `how` says in the problems where it was found.
    """
    problems = []
    for example in examples:
        where = places.get(example.id, "")
        if request_key(example.request) in trained.requests:
            problems.append(Problem(f"The request of '{example.id}' {how}.", where))
        elif group_key(example.group) in trained.groups:
            problems.append(Problem(f"The group of '{example.id}', '{example.group}', {how}.", where))
    return problems
