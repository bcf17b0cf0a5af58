"""Finds test examples that a model was trained on: they would measure memorisation, not quality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kit.data.keys import Keys, group_key, request_key
from kit.errors import Problem
from kit.task import Example


def leaked(
    examples: Sequence[Example[Any, Any]], places: Mapping[str, str], trained: Keys, how: str = "was trained on"
) -> list[Problem]:
    """Return one problem for each example whose request or group was trained on.

    `places` maps an example's id to its file and line; `how` ends each problem's sentence.
    """
    return [
        Problem(f"{what} {how}.", places.get(example.id, ""))
        for example in examples
        if (what := leak_of(example, trained))
    ]


def leak_of(example: Example[Any, Any], trained: Keys) -> str:
    """Return what was trained on, the request of the example or its group; empty if neither was."""
    if request_key(example.request) in trained.requests:
        return f"The request of '{example.id}'"
    return f"The group of '{example.id}', '{example.group}'," if group_key(example.group) in trained.groups else ""
