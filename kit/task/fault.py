"""Finds the line of a task's own code that caused an error, in a check, a run or a service."""

from __future__ import annotations

import traceback
from pathlib import Path

from kit.errors import InputError, KitError, Problem
from kit.task.former_names import new_name

MODULE_PREFIX = "kit_task_"


class TaskBroke(InputError):
    """The task's own code raised an unexpected error (exit 2)."""


def task_fault(error: BaseException) -> Problem | None:
    """Return the error in a task's code, with file, line and method; None if the error comes from elsewhere.

    Returns None for a KitError, which is already a sentence.
    """
    if isinstance(error, KitError) or not isinstance(error, Exception):
        return None
    within = [
        (frame.f_code, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if str(frame.f_globals.get("__name__", "")).startswith(MODULE_PREFIX)
    ]
    if not within:
        return None
    code, line = within[-1]
    what = f"The task broke in {code.co_qualname}: {type(error).__name__}: {error}".rstrip(". ")
    advice = new_name(error) or _advice(code.co_filename)
    return Problem(f"{what}.", f"{code.co_filename}:{line}", f"{advice} --debug shows the traceback.")


def _advice(file: str) -> str:
    """Return which file to correct: an edited copy in a bundle would be refused."""
    if any((folder / "seal.json").is_file() for folder in Path(file).parents):
        return "This is the bundle's copy: correct the project's file, and make a new bundle."
    return "Correct it there."
