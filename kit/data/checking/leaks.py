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
    return [
        Problem(f"{what} {how}.", places.get(example.id, ""))
        for example in examples
        if (what := leak_of(example, trained))
    ]


def leak_of(example: Example[Any, Any], trained: Keys) -> str:
    """Name the part of an example that was trained on, its request or its group; empty where neither was."""
    if request_key(example.request) in trained.requests:
        return f"The request of '{example.id}'"
    return f"The group of '{example.id}', '{example.group}'," if group_key(example.group) in trained.groups else ""
