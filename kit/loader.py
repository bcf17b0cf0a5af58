"""Loads `task.py` from a folder that the user trusts: the project they are in, or a bundle they installed.

A task's module is named after the hash of its files and never reloaded, so two versions can live in one process.
It may import kit, pydantic, the standard library, and its own siblings.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import json
import sys
import traceback
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from kit.errors import InputError, Problem, nearest
from kit.recipe import Recipe, TaskSection
from kit.task import Task
from kit.validation import dotted, problems_of

_ALLOWED = frozenset(sys.stdlib_module_names) | {"kit", "pydantic"}
_DECLARED = ("name", "route", "request_type", "response_type", "metrics", "main_metric")


def load_tasks(folder: Path, recipe: Recipe) -> list[Task[Any, Any]]:
    """Return the recipe's tasks, in its order.

    Raises InputError for a missing file or class, an import that is not allowed, options that do not validate, and two
    tasks of one name or route.
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
    """Import one file of a project folder under a name made of its content.

    Raises InputError where the file or one of its imports is missing, not allowed, or breaks.
    """
    package = f"kit_task_{files_digest(task_files(folder, file))[:16]}"
    if package not in sys.modules:
        parent = types.ModuleType(package)
        parent.__path__ = [str(folder)]
        sys.modules[package] = parent
    written, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        return importlib.import_module(f"{package}.{Path(file).with_suffix('').as_posix().replace('/', '.')}")
    except Exception as error:
        raise InputError(
            f"It cannot be imported: {type(error).__name__}: {error}", _line_of(error, folder, file)
        ) from error
    finally:
        sys.dont_write_bytecode = written


def _line_of(error: Exception, folder: Path, file: str) -> str:
    """Return the last file and line inside the folder that an error passed through."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(str(folder))]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else str(folder / file)


def task_files(folder: Path, file: str = "task.py") -> dict[str, Path]:
    """Return the file and every sibling that it imports, by relative path.

    Raises InputError with every import that is not allowed.
    """
    found: dict[str, Path] = {}
    problems: list[Problem] = []
    waiting = [file]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found[name] = folder / name
        for line, module, relative in _imports(folder / name):
            if relative:
                waiting.extend([f"{module}.py"] if (folder / f"{module}.py").is_file() else [])
            elif module.split(".")[0] not in _ALLOWED:
                problems.append(Problem(f"A task may not import '{module}'.", f"{folder / name}:{line}"))
    if problems:
        raise InputError(problems)
    return dict(sorted(found.items()))


def files_digest(files: Mapping[str, Path]) -> str:
    """SHA-256 over names and contents."""
    digest = hashlib.sha256()
    for name, path in sorted(files.items()):
        digest.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _imports(path: Path) -> Iterator[tuple[int, str, bool]]:
    """Yield line, module and whether it is relative, of every import in a file."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError:
        raise InputError("There is no such file.", str(path)) from None
    except SyntaxError as error:
        raise InputError(f"This is not Python: {error.msg}.", f"{path}:{error.lineno}") from None
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, False) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names = [node.module] if node.module else [alias.name for alias in node.names]
            yield from ((node.lineno, name, node.level > 0) for name in names)
