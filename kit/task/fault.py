"""Finds the line of a task's own code behind an error, wherever the task was called: in a check, a run, a service."""

from __future__ import annotations

import traceback
from pathlib import Path

from kit.errors import InputError, KitError, Problem
from kit.task.moved import new_name

MODULE_PREFIX = "kit_task_"


class TaskBroke(InputError):
    """The task's own code raised an error that is none of its ways to refuse (exit 2)."""


def task_fault(error: BaseException) -> Problem | None:
    """Return what broke in a task's code, with file, line and method; None where the error comes from elsewhere.

    A kit error is a sentence already, and none of these.
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
    """Whoever edits the copy in a bundle gets a bundle that is refused."""
    if any((folder / "seal.json").is_file() for folder in Path(file).parents):
        return "This is the bundle's own copy: correct the project's file, and make a new bundle."
    return "Correct it there."
