"""Loads `task.py` from a folder that the user trusts: the project they are in, or a bundle they installed.

A task's module is named after the hash of its files and never reloaded, so two versions can live in one process.
It may import kit, pydantic, the standard library, and the files copied with it (`kit.task.files`).
"""

from __future__ import annotations

import importlib
import json
import sys
import threading
import traceback
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from kit.errors import InputError, nearest
from kit.recipe import Recipe, TaskSection
from kit.recipe.validation import dotted, problems_of
from kit.task.fault import MODULE_PREFIX
from kit.task.files import files_digest, task_files
from kit.task.former_names import new_name
from kit.task.types import Task

_LOADING = threading.RLock()  # `sys.modules` and the current folder are those of the whole process
_DECLARED = ("name", "route", "request_type", "response_type", "metrics", "main_metric")


def load_tasks(folder: Path, recipe: Recipe) -> list[Task[Any, Any]]:
    """Return the recipe's tasks, in its order.

    Raises InputError for a missing file or class, an import that is not allowed, options that do not validate, and two
    tasks with the same name or route.
    """
    tasks = [load_task(folder, section) for section in recipe.tasks]
    for what, known in (("name", [task.name for task in tasks]), ("route", [task.route for task in tasks])):
        if twice := sorted({each for each in known if known.count(each) > 1}):
            raise InputError(
                f"Two tasks of the recipe have the {what} '{twice[0]}'.", "tasks", f"Give each its own {what}."
            )
    return tasks


def load_task(folder: Path, section: TaskSection) -> Task[Any, Any]:
    """Return one task, made with its options."""
    file, name = section.use.split(":")
    module = load_module(folder, file)
    found = getattr(module, name, None)
    if not (isinstance(found, type) and issubclass(found, Task)):
        advice = nearest(name, tasks := _task_names(module)) or f"Its tasks: {', '.join(tasks) or 'none'}."
        raise InputError(f"{file} has no task '{name}'.", str(folder / file), advice)
    if lacking := [*sorted(found.__abstractmethods__), *(key for key in _DECLARED if not hasattr(found, key))]:
        raise InputError(f"The task '{name}' lacks: {', '.join(lacking)}.", str(folder / file))
    try:
        return found(found.Options.model_validate_json(json.dumps(section.options), strict=True))
    except ValidationError as error:
        place = f"{section.use} options"
        raise InputError(problems_of(error, found.Options, lambda path: dotted((place, *path)))) from None


def _task_names(module: types.ModuleType) -> list[str]:
    kinds = {key: value for key, value in vars(module).items() if isinstance(value, type)}
    return [key for key, value in kinds.items() if issubclass(value, Task) and value is not Task]


def load_module(folder: Path, file: str) -> types.ModuleType:
    """Import one file of a project folder, under a module name made from its hash.

    Raises InputError if the file or one of its imports is missing, not allowed, or breaks.
    """
    package = f"{MODULE_PREFIX}{files_digest(task_files(folder, file))[:16]}"
    with _LOADING:
        return _imported(package, folder, file)


def _imported(package: str, folder: Path, file: str) -> types.ModuleType:
    if package not in sys.modules:
        parent = types.ModuleType(package)
        parent.__path__ = [str(folder)]
        sys.modules[package] = parent
    written, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        return importlib.import_module(f"{package}.{Path(file).with_suffix('').as_posix().replace('/', '.')}")
    except Exception as error:
        what = f"It cannot be imported: {type(error).__name__}: {error}".rstrip(". ")
        raise InputError(f"{what}.", _line_of(error, folder, file), new_name(error)) from error
    finally:
        sys.dont_write_bytecode = written


def _line_of(error: Exception, folder: Path, file: str) -> str:
    """Return the last file and line of an error's traceback that is in the folder."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(str(folder))]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else str(folder / file)


@contextmanager
def loaded_afresh() -> Iterator[None]:
    """Inside this block, tasks load from their own folder, even if the same files were loaded from another one before.

    Modules that were loaded before are restored afterwards, so that their types stay the same. Other threads wait with
    loading tasks until then.
    """
    with _LOADING:
        before = _loaded()
        for name in before:
            del sys.modules[name]
        try:
            yield
        finally:
            for name in _loaded():
                del sys.modules[name]
            sys.modules.update(before)


def _loaded() -> dict[str, types.ModuleType]:
    return {name: module for name, module in sys.modules.items() if name.startswith(MODULE_PREFIX)}
