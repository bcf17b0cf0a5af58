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
    "What travels with a task is what its code imports relatively, and the files that it names in a string. Name the "
    "file, such as FILES = ('labels.json',), and read it from beside the code: Path(__file__).parent / 'labels.json'."
)


def copy_task(project: Path, recipe: Recipe, place: Path) -> None:
    """Copy the files of a recipe's tasks to a folder. Raises InputError as `task_files` does."""
    for section in recipe.tasks:
        for name, source in task_files(project, section.use.split(":")[0]).items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, place / name)


@contextmanager
def as_if_alone() -> Iterator[None]:
    """Work in an empty folder with no task loaded, so that a path relative to the current folder finds nothing."""
    with tempfile.TemporaryDirectory() as empty, loaded_afresh(), chdir(empty):
        yield


def try_copy(project: Path, recipe: Recipe, requests: Mapping[str, BaseModel]) -> int:
    """Load a copy of the tasks in a separate folder, and make prompts with each; return how many files are copied.

    `requests` has a request for each task by name. Raises InputError where the copy does not do what the project's
    own files do, with the project's files and lines.
    """
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch).resolve()
        copy_task(project, recipe, place)
        try:
            with as_if_alone():
                for task in load_tasks(place, recipe):
                    if (request := requests.get(task.name)) is not None:
                        task.prompts(again(request, task.request_type))
        except Exception as error:
            raise InputError(why_alone(error, place, project.absolute())) from error
        return sum(path.is_file() for path in place.rglob("*"))


def again(request: BaseModel, kind: type[BaseModel]) -> Any:
    """Return a request as the same type of a task that was loaded once more."""
    return kind.model_validate_json(request.model_dump_json())


def why_alone(error: Exception, place: Path, project: Path) -> list[Problem]:
    """Say why a copy of a task does not work, in the project's own paths. Raises what is no fault of the task's."""
    if isinstance(error, KitError):
        found = error.problems
    elif fault := task_fault(error):
        found = [fault]
    else:
        raise error
    advice = _RULE if _misses_a_file(error) else ""

    def at_home(text: str) -> str:
        return text.replace(str(place), str(project))

    return [
        Problem(at_home(each.what), at_home(each.where), " ".join(filter(None, (at_home(each.next), advice))))
        for each in found
    ]


def _misses_a_file(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, FileNotFoundError | NotADirectoryError | ModuleNotFoundError | ImportError):
            return True
        error = error.__cause__
    return False
