"""Copies a task into a bundle, and tries the copy outside the project."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from kit.errors import InputError, KitError, Problem
from kit.recipe import Recipe
from kit.task.fault import task_fault
from kit.task.files import task_files
from kit.task.loader import load_tasks, loaded_afresh

_RULE = (
    "A bundle gets the task's relative imports and the files that its code names in a string. Name the file, for "
    "example FILES = ('labels.json',), and read it from the code's folder: Path(__file__).parent / 'labels.json'."
)


def copy_task(project: Path, recipe: Recipe, place: Path) -> None:
    """Copy the files of a recipe's tasks to a folder. Raises InputError as `task_files` does."""
    for section in recipe.tasks:
        for name, source in task_files(project, section.use.split(":")[0]).items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, place / name)


@contextmanager
def isolated() -> Iterator[None]:
    """Work in an empty folder with no task loaded, so that a path relative to the current folder finds nothing."""
    with tempfile.TemporaryDirectory() as empty, loaded_afresh(), chdir(empty):
        yield


def try_copy(project: Path, recipe: Recipe, requests: Mapping[str, BaseModel]) -> int:
    """Load a copy of the tasks in a separate folder, and make prompts with each; return how many files are copied.

    `requests` has a request for each task by name. Raises InputError if the copy does not work as the project's
    own files do; the error names the project's files and lines.
    """
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch).resolve()
        copy_task(project, recipe, place)
        try:
            with isolated():
                for task in load_tasks(place, recipe):
                    if (request := requests.get(task.name)) is not None:
                        task.prompts(as_type(request, task.request_type))
        except Exception as error:
            raise InputError(explain_copy_failure(error, place, project.absolute())) from error
        return sum(path.is_file() for path in place.rglob("*"))


def as_type(request: BaseModel, kind: type[BaseModel]) -> Any:
    """Return a request as the same type from another copy of its task."""
    return kind.model_validate_json(request.model_dump_json())


def explain_copy_failure(error: Exception, place: Path, project: Path) -> list[Problem]:
    """Return why a copy of a task does not work, with the project's paths. Re-raises any other error."""
    if isinstance(error, KitError):
        found = error.problems
    elif fault := task_fault(error):
        found = [fault]
    else:
        raise error
    advice = _RULE if _misses_a_file(error) else ""

    def in_project(text: str) -> str:
        return text.replace(str(place), str(project))

    return [
        Problem(in_project(each.what), in_project(each.where), " ".join(filter(None, (in_project(each.next), advice))))
        for each in found
    ]


def _misses_a_file(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, FileNotFoundError | NotADirectoryError | ModuleNotFoundError | ImportError):
            return True
        error = error.__cause__
    return False
