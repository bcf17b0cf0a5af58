"""A project: the user's folder with a recipe, a task and data, and what can be read from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel

from kit.base import Base, find_base, find_config
from kit.chat import Renderer
from kit.data.augmented import is_augmented, refuse_augmented
from kit.data.formats import DataFile, read_file
from kit.data.rows import Rows, build_rows
from kit.data.split import limited, split_examples
from kit.errors import InputError, nearest
from kit.loader import load_tasks
from kit.recipe import DataSection, Recipe, load_recipe
from kit.scaffold import RECIPE_FILE
from kit.task import Example, Task

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = get_args(Part)
AnyExample = Example[Any, Any]
AnyTask = Task[Any, Any]


@dataclass(frozen=True)
class Project:
    """A folder with a recipe."""

    root: Path

    @classmethod
    def find(cls, start: Path | None = None) -> Project:
        """Return the project that a folder (by default the current one) is in.

        Raises InputError where neither it nor a folder above it has a recipe.
        """
        start = (start or Path.cwd()).absolute()
        for folder in (start, *start.parents):
            if (folder / RECIPE_FILE).is_file():
                return cls(folder)
        advice = "Make a project with: kit new legal. Or go into the project's folder."
        raise InputError(f"No {RECIPE_FILE} here or in a folder above.", str(start), advice)

    def recipe(self, profile: str | None = None) -> Recipe:
        """Return the recipe under a profile. Raises InputError as `load_recipe` does."""
        return load_recipe(self.root / RECIPE_FILE, profile)

    def tasks(self, recipe: Recipe) -> list[AnyTask]:
        """Return the recipe's tasks. Raises InputError as `load_tasks` does."""
        return load_tasks(self.root, recipe)

    def base(self, recipe: Recipe, offline: bool = False) -> Base:
        """Return the base model; a relative folder is meant from the project's root. Raises as `find_base` does."""
        name = recipe.base.model
        where = str(self.root / name) if name.startswith(".") else name
        return replace(find_base(where, recipe.base.revision, offline), name=name)

    def base_config(self, recipe: Recipe) -> Path:
        """Return a folder with the base model's configuration; its weights are not fetched. Raises as `base` does."""
        name = recipe.base.model
        return find_config(str(self.root / name) if name.startswith(".") else name, recipe.base.revision)

    def renderer(self, recipe: Recipe, offline: bool = False) -> Renderer:
        """Return the renderer of the base model."""
        return Renderer(self.base(recipe, offline).folder, recipe.base.template_args)

    def data(self, recipe: Recipe, task: str | None = None) -> Data:
        """Return the data of the task of a name, or of the only one. Raises InputError where that is not one task."""
        every = {data.task.name: data for data in self.all_data(recipe)}
        if task is None and len(every) > 1:
            raise InputError("The recipe has several tasks.", "--task", f"Name one of: {', '.join(every)}.")
        name = task if task is not None else next(iter(every))
        if name not in every:
            raise InputError(
                f"The recipe has no task '{name}'.", "--task", nearest(name, every) or f"Known: {', '.join(every)}."
            )
        return every[name]

    def all_data(self, recipe: Recipe) -> list[Data]:
        """Return the data of every task, in the recipe's order."""
        return data_of(self.root, recipe, self.tasks(recipe))


def data_of(root: Path, recipe: Recipe, tasks: Sequence[AnyTask]) -> list[Data]:
    """Return the data of a recipe's tasks, which were made from it in its order."""
    return [Data(root, recipe, task, section.data) for section, task in zip(recipe.tasks, tasks, strict=True)]


def first_requests(tasks: Sequence[Data]) -> dict[str, BaseModel]:
    """Return, by task name, the shortest of its validation examples' requests, or of the training ones."""
    found = {data.task.name: data.examples("validation") or data.examples("train") for data in tasks}
    return {
        name: min((example.request for example in examples), key=lambda request: len(request.model_dump_json()))
        for name, examples in found.items()
        if examples
    }


@dataclass(frozen=True)
class Data:
    """A task's examples by part, under one recipe. Each file is read when it is first asked for.

    `own` is where they are, unless they are where the recipe's own data section says.
    """

    root: Path
    recipe: Recipe
    task: AnyTask
    own: DataSection | None = None

    @property
    def settings(self) -> DataSection:
        """Where the examples are."""
        return self.own or self.recipe.data

    @cached_property
    def train_file(self) -> DataFile:
        """The training file as it is. Raises InputError with all of its problems."""
        return read_file(self.root / self.settings.train, self.task)

    @cached_property
    def test_file(self) -> DataFile:
        """The test file as it is. Raises InputError with all of its problems, and for examples that were made up."""
        file = read_file(self.root / self.settings.test, self.task)
        refuse_augmented(file)
        return file

    @cached_property
    def validation_file(self) -> DataFile | None:
        """The validation file, where the recipe names one. Raises InputError with all of its problems."""
        name = self.settings.validation
        return read_file(self.root / name, self.task) if name else None

    def examples(self, part: Part) -> list[AnyExample]:
        """Return the examples of one part, limited as the recipe says.

        Without a validation file, whole groups are held out of training by the hash of their name. What was augmented
        is trained on, and never measured by.
        """
        settings = self.settings
        if part == "test":
            return limited(self.test_file.examples, self.recipe.eval.limit)
        if self.validation_file is not None:
            kept, held = self.train_file.examples, self.validation_file.examples
        else:
            kept, held = split_examples(self.train_file.examples, settings.validation_share)
        held = [example for example in held if not is_augmented(example)]
        return limited(kept, settings.limit_train) if part == "train" else limited(held, settings.limit_validation)

    def rows(self, renderer: Renderer, part: Part) -> Rows:
        """Return the rows of one part; those of the test part have to fit serving's context, not training's.

        An example that is to be trained on has to teach something. Raises InputError as `build_rows` does, with files
        and lines.
        """
        places, taught = self._places(part), part == "train"
        if part == "test":
            length = self.recipe.serve.max_length
            return build_rows(
                self.task, renderer, self.examples(part), length, "refuse", places, taught, "serve.max_length"
            )
        length, policy = self.recipe.train.max_length, self.settings.too_long
        return build_rows(self.task, renderer, self.examples(part), length, policy, places, taught)

    def _places(self, part: Part) -> dict[str, str]:
        files: Sequence[DataFile | None] = (
            [self.test_file] if part == "test" else [self.train_file, self.validation_file]
        )
        return {id: place for file in files if file for id, place in file.places.items()}
