"""Imports public data sets as examples, through the project's own importers.

A project's `importers.py` names them in `importers: Mapping[str, Importer]`. An importer reads the user's own copy of a
set and returns examples; the kit validates, splits and writes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from kit.data.formats import jsonl
from kit.data.split import first_groups, held_out, split_examples
from kit.data.tested_groups import tested_groups
from kit.errors import InputError, Problem, nearest
from kit.recipe.validation import dotted, problems_of
from kit.system.files import write_together
from kit.task import Example, Task
from kit.task.loader import load_module

AnyExample = Example[Any, Any]
IMPORTERS_FILE = "importers.py"


class Importer(Protocol):
    """Reads a copy of a data set (a file or a folder) as examples.

    `settings` are the user's `--set key=value` pairs, as they were typed. The docstring's first line describes the set.
    Raises InputError with every problem at once: unreadable files by file and line, unknown settings by name.
    """

    def __call__(self, path: Path, settings: Mapping[str, str]) -> Sequence[AnyExample]:
        """Return the examples, in a fixed order; rows that a split must keep together have the same group."""


@dataclass(frozen=True)
class Import:
    """What an import will write, and where."""

    train: list[AnyExample]
    test: list[AnyExample]
    train_path: Path
    test_path: Path
    stayed: int = 0
    """Number of groups that stay in the test file, because an earlier import put them there."""

    def write(self) -> None:
        """Write both files, or neither."""
        self.train_path.parent.mkdir(parents=True, exist_ok=True)
        write_together(
            {self.test_path: jsonl(self.test).encode("utf-8"), self.train_path: jsonl(self.train).encode("utf-8")}
        )


def load_importers(project: Path) -> Mapping[str, Importer]:
    """Return the importers of a project by name. Raises InputError if it has none."""
    if not (project / IMPORTERS_FILE).exists():
        advice = "To import a table of your own: kit data import csv FILE --map FIELD=COLUMN"
        raise InputError(f"This project imports no public sets: it has no {IMPORTERS_FILE}.", str(project), advice)
    found = getattr(load_module(project, IMPORTERS_FILE), "importers", None)
    if not isinstance(found, Mapping) or not found:
        raise InputError("It declares no `importers`.", str(project / IMPORTERS_FILE))
    return found


def find_importer(project: Path, name: str) -> Importer:
    """Return one importer. Raises InputError with the nearest name if there is none."""
    known = load_importers(project)
    if name not in known:
        advice = nearest(name, known) or f"Known: {', '.join(sorted(known))}."
        raise InputError(f"The project has no importer '{name}'.", str(project / IMPORTERS_FILE), advice)
    return known[name]


def parse_settings(pairs: Sequence[str]) -> dict[str, str]:
    """Read `key=value` pairs. Raises InputError with every invalid pair and every repeated key."""
    settings: dict[str, str] = {}
    problems: list[Problem] = []
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not key or not sign:
            problems.append(Problem(f"'{pair}' is not a setting.", "--set", "Write key=value."))
        elif key in settings:
            problems.append(Problem(f"'{key}' is set twice.", "--set"))
        settings[key] = value
    if problems:
        raise InputError(problems)
    return settings


def read_set(importer: Importer, task: Task[Any, Any], source: Path, settings: Mapping[str, str]) -> list[AnyExample]:
    """Return the importer's examples as the task's own type.

    Raises InputError with every invalid example and every repeated id, and if there is no example.
    """
    kind = task.example_type()
    examples: dict[str, AnyExample] = {}
    problems: list[Problem] = []
    for each in importer(source, settings):
        try:
            example = kind.model_validate_json(each.model_dump_json(), strict=True)
        except ValidationError as error:
            problems.extend(problems_of(error, kind, lambda path: dotted((each.id, *path))))  # noqa: B023 (used at once)
            continue
        if example.id in examples:
            problems.append(Problem("The importer made this id twice.", example.id))
        examples[example.id] = example
    if not problems and not examples:
        problems.append(Problem("There are no examples in this set.", str(source)))
    if problems:
        raise InputError(problems)
    return list(examples.values())


def plan_import(
    examples: Sequence[AnyExample], folder: Path, name: str, groups: int | None, test_share: float, replace: bool
) -> Import:
    """Plan the split into two files. Train on the first `groups` groups in hash order, or on all but a share of them.

    With a share, a group that an earlier import put into the test file stays there.

    Raises InputError if a part would be empty, or if a file exists and `replace` is false.
    """
    paths = (folder / f"{name}-train.jsonl", folder / f"{name}-test.jsonl")
    stay = tested_groups(paths[1]) if replace and groups is None else frozenset[str]()
    if groups is not None:
        train, test = first_groups(examples, groups)
    else:
        train, test = split_examples(examples, test_share, stay=stay)
    problems = [
        Problem(f"No example would be left for {part}.", next="Choose another share or number of groups.")
        for part, chosen in (("training", train), ("testing", test))
        if not chosen
    ]
    problems += [
        Problem("This file exists and is not overwritten.", str(path), "Use --replace to overwrite it.")
        for path in paths
        if path.exists() and not replace
    ]
    if problems:
        raise InputError(problems)
    moved = {each.group for each in test if each.group in stay and not held_out(each.group, test_share)}
    return Import(train, test, *paths, stayed=len(moved))
