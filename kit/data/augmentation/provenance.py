"""Marks augmented examples in their provenance, and keeps them out of validation and test."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kit.data.formats import DataFile
from kit.data.split import VALIDATION, held_out_groups
from kit.errors import InputError, Problem
from kit.task import Example

METHOD, SOURCE = "augmented", "from"
"""Keys in the provenance of an augmented example: the method, and the id of its source."""


def is_augmented(example: Example[Any, Any]) -> bool:
    """Return whether an example was made from another one."""
    return METHOD in example.provenance


def validation_groups(examples: Iterable[Example[Any, Any]], share: float) -> set[str]:
    """Return the groups of a training file that are held out for validation if there is no validation file.

    Groups with only augmented examples are not held out: nothing could be measured on them.
    """
    return held_out_groups((each.group for each in examples if not is_augmented(each)), share, VALIDATION)


def refuse_augmented(file: DataFile) -> None:
    """Raise InputError with every example of a file that was made from another one."""
    problems = [
        Problem(f"The example '{each.id}' is augmented; test only on original examples.", file.places[each.id])
        for each in file.examples
        if is_augmented(each)
    ]
    if problems:
        raise InputError(problems)
