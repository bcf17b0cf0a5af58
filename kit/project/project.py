"""A project: the user's folder with a recipe, a task and data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from kit.base import Base, find_base, find_config
from kit.chat import Renderer
from kit.data.additional import additional_examples
from kit.data.assignment import PARTS, Part
from kit.data.augmentation.provenance import is_augmented, refuse_augmented, validation_groups
from kit.data.checking.checks import check_parts, check_prompts, require
from kit.data.checking.leaks import leaked
from kit.data.formats import DataFile, read_file
from kit.data.keys import Keys
from kit.data.rows import Rows, Setting, build_rows
from kit.data.split import limited
from kit.errors import InputError, Problem, nearest
from kit.project.template import RECIPE_FILE
from kit.recipe import DataSection, Recipe, RowsSection, load_recipe, profile_names
from kit.task import Example, Task
from kit.task.loader import load_tasks

_WORDS: dict[Part, str] = {"train": "training", "validation": "validation", "test": "test"}
AnyExample = Example[Any, Any]
AnyTask = Task[Any, Any]


@dataclass(frozen=True)
class Project:
    """A folder with a recipe."""

    root: Path

    @classmethod
    def find(cls, start: Path | None = None) -> Project:
        """Return the project that a folder (by default the current one) is in.

        Raises InputError if neither it nor a folder above it has a recipe.
        """
        start = start or Path.cwd()
        start = start.resolve() if ".." in start.parts else start.absolute()  # links stay as the user wrote them
        for folder in (start, *start.parents):
            if (folder / RECIPE_FILE).is_file():
                return cls(folder)
        advice = "Make a project with: kit new legal. Or go into the project's folder."
        raise InputError(f"No {RECIPE_FILE} here or in a folder above.", str(start), advice)

    def recipe(self, profile: str | None = None) -> Recipe:
        """Return the recipe under a profile. Raises InputError as `load_recipe` does."""
        return load_recipe(self.root / RECIPE_FILE, profile)

    def profile_here(self) -> str | None:
        """Return the first profile whose base model is on this machine, or None. Raises InputError as `recipe` does."""
        return next((name for name in profile_names(self.root / RECIPE_FILE) if self.has_base(self.recipe(name))), None)

    def has_base(self, recipe: Recipe) -> bool:
        """Whether the recipe's base model is on this machine. Downloads nothing."""
        try:
            self.base(recipe, offline=True)
        except InputError:
            return False
        return True

    def tasks(self, recipe: Recipe) -> list[AnyTask]:
        """Return the recipe's tasks. Raises InputError as `load_tasks` does."""
        return load_tasks(self.root, recipe)

    def base(self, recipe: Recipe, offline: bool = False) -> Base:
        """Return the base model. A name that exists as a path in the project is a path. Raises as `find_base` does."""
        return find_base(recipe.base.model, recipe.base.revision, offline, self.root)

    def base_config(self, recipe: Recipe) -> Path:
        """Return a folder with the base model's configuration. Does not download the weights. Raises as `base` does."""
        return find_config(recipe.base.model, recipe.base.revision, self.root)

    def renderer(self, recipe: Recipe, offline: bool = False) -> Renderer:
        """Return the renderer of the base model."""
        return Renderer(self.base(recipe, offline).folder, recipe.base.template_args)

    def data(self, recipe: Recipe, task: str | None = None) -> Data:
        """Return the data of the named task, or of the only one. Raises InputError if none or several fit."""
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
    """Return the data of the tasks; `tasks` are the recipe's, in its order."""
    return [Data(root, recipe, task, section.data) for section, task in zip(recipe.tasks, tasks, strict=True)]


def leaks_into(root: Path, section: RowsSection, tasks: Sequence[Data]) -> list[Problem]:
    """Return a problem for each test example that is also in a file of additional rows (replay, EWC).

    Raises InputError if a file cannot be read.
    """
    if section.use is None:
        return []
    task, file = additional_examples(root, section)
    trained = Keys.of(file.examples)
    return [
        problem
        for data in tasks
        if data.task.name == task.name and (root / data.settings.test).is_file()
        for problem in leaked(data.examples("test"), data.places("test"), trained, f"is in {section.data} too")
    ]


def first_requests(tasks: Sequence[Data]) -> dict[str, BaseModel]:
    """Return the shortest request of each task, by task name: from its validation (or else training) examples."""
    found = {data.task.name: data.examples("validation") or data.examples("train") for data in tasks}
    return {
        name: min((example.request for example in examples), key=lambda request: len(request.model_dump_json()))
        for name, examples in found.items()
        if examples
    }


@dataclass(frozen=True)
class Data:
    """A task's examples by part (train, validation, test). Each file is read on first use.

    `own` is the task's own data section; without it, the recipe's applies.
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
        """The whole training file. Raises InputError with all of its problems."""
        return read_file(self.root / self.settings.train, self.task)

    @cached_property
    def test_file(self) -> DataFile:
        """The whole test file. Raises InputError with all of its problems, and for augmented examples."""
        file = read_file(self.root / self.settings.test, self.task)
        refuse_augmented(file)
        return file

    @cached_property
    def validation_file(self) -> DataFile | None:
        """The validation file, if the recipe names one. Raises InputError with all of its problems."""
        name = self.settings.validation
        return read_file(self.root / name, self.task) if name else None

    def examples(self, part: Part) -> list[AnyExample]:
        """Return the examples of one part, limited as the recipe says.

        Without a validation file, whole groups are held out of training by the hash of their name. Augmented examples
        are only trained on.
        """
        settings = self.settings
        if part == "test":
            return limited(self.test_file.examples, self.recipe.eval.limit)
        groups = self._validation_groups
        if part == "train":
            kept = [example for example in self.train_file.examples if example.group not in groups]
            return limited(kept, settings.limit_train)
        own, train = self.validation_file, self.train_file.examples
        held = own.examples if own else [example for example in train if example.group in groups]
        return limited([example for example in held if not is_augmented(example)], settings.limit_validation)

    @cached_property
    def _validation_groups(self) -> set[str]:
        """The groups of the training file that are held out of training; none if there is a validation file."""
        if self.validation_file is not None:
            return set()
        return validation_groups(self.train_file.examples, self.settings.validation_share)

    def rows(self, renderer: Renderer, part: Part) -> Rows:
        """Return the rows of one part. Test rows must fit the context of serving, all others that of training.

        A training example must have a target. Raises InputError as `build_rows` does, with files
        and lines.
        """
        tested, taught = part == "test", part == "train"
        setting: Setting = "serve.max_length" if tested else "train.max_length"
        length = self.recipe.serve.max_length if tested else self.recipe.train.max_length
        policy = "refuse" if tested else self.settings.too_long
        places, words = self.places(part), _WORDS[part]
        return build_rows(self.task, renderer, self.examples(part), length, policy, places, taught, words, setting)

    def require_sound(self) -> None:
        """Raise InputError with every problem that makes training useless: a shared request or group, an empty part.

        The test file is checked if it exists.
        """
        tested = (self.root / self.settings.test).is_file()
        found: list[Part] = [part for part in PARTS if part != "test" or tested]
        parts: dict[str, Sequence[AnyExample]] = {part: self.examples(part) for part in found}
        require(check_parts(parts, {part: self.places(part) for part in found}))

    def require_measurable(self, renderer: Renderer) -> None:
        """Raise InputError with every problem that makes the test examples useless.

        These are examples that the task refuses, and answers or prompts that are too long.
        """
        self.rows(renderer, "test")
        require([check_prompts(self.task, renderer, {"test": self.examples("test")}, self.recipe.serve.max_length)])

    def places(self, part: Part) -> dict[str, str]:
        """Return the file and line of each example of a part, by id."""
        if part == "test":
            return self.test_file.places
        return (self.validation_file or self.train_file).places if part == "validation" else self.train_file.places
