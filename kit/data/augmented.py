"""Examples that were made from others: marked in their provenance, and kept away from what measures."""

from __future__ import annotations

from typing import Any

from kit.data.formats import DataFile
from kit.errors import InputError, Problem
from kit.task import Example

METHOD, SOURCE = "augmented", "from"
"""Keys of an example's provenance: how it was made, and the id of the example that it was made from."""


def is_augmented(example: Example[Any, Any]) -> bool:
    """Say whether an example was made from another one."""
    return METHOD in example.provenance


def refuse_augmented(file: DataFile) -> None:
    """Raise InputError with every example of a file that was made from another one."""
    problems = [
        Problem(f"The example '{each.id}' was augmented; a test asks what people wrote.", file.places[each.id])
        for each in file.examples
        if is_augmented(each)
    ]
    if problems:
        raise InputError(problems)
