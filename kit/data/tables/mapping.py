"""Which column of a table fills which field of a task's request and response."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_origin

from pydantic import BaseModel

from kit.data.not_jsonl import value_of
from kit.data.tables.reading import Table
from kit.errors import InputError, Problem, nearest
from kit.task import Task

_NEXT_PAIR = re.compile(r",(?=\s*[\w.]+=)")
SIDES = ("request", "response")


@dataclass(frozen=True)
class Source:
    """One field, as a path that starts with `request` or `response`, and the column that fills it."""

    path: tuple[str, ...]
    column: str


def parse_mapping(texts: Sequence[str]) -> dict[str, str]:
    """Read `field=column,field=column` texts. Raises InputError with every invalid or repeated pair."""
    found: dict[str, str] = {}
    problems: list[Problem] = []
    for pair in (pair for text in texts for pair in _NEXT_PAIR.split(text)):
        field, sign, column = (part.strip() for part in pair.partition("="))
        if not (field and sign and column):
            problems.append(Problem(f"'{pair}' is not FIELD=COLUMN.", "--map", "Write FIELD=COLUMN."))
        elif field in found:
            problems.append(Problem(f"The field '{field}' is mapped twice.", "--map"))
        found[field] = column
    if problems:
        raise InputError(problems)
    return found


def resolve(mapping: Mapping[str, str], task: Task[Any, Any], table: Table, others: Mapping[str, str]) -> list[Source]:
    """Return the fields to fill. `others` are further columns that the user named, by option.

    Raises InputError with every field and column that does not exist, and every required field that is not mapped.
    """
    fields = _fields(task)
    problems: list[Problem] = []
    sources = []
    for name, column in mapping.items():
        paths = _paths(name, fields)
        if len(paths) == 1:
            sources.append(Source(paths[0], column))
        else:
            problems.append(_no_field(name, paths, fields))
    columns = {**{f"--map {name}": column for name, column in mapping.items()}, **others}
    problems += [_no_column(where, name, table) for where, name in columns.items() if name not in table.columns]
    twice = {source.path for source in sources if [each.path for each in sources].count(source.path) > 1}
    problems += [Problem(f"The field '{'.'.join(path)}' is mapped twice.", "--map") for path in sorted(twice)]
    if not any(len(_paths(name, fields)) != 1 for name in mapping):
        problems += _lacking(task, sources, table)
    if problems:
        raise InputError(problems)
    return sources


def _fields(task: Task[Any, Any]) -> dict[tuple[str, ...], bool]:
    """Return the paths of all fields, and whether each is required."""
    kinds = zip(SIDES, (task.request_type, task.response_type), strict=True)
    return dict(pair for side, kind in kinds for pair in _leaves(kind, (side,), True))


def _leaves(kind: type[BaseModel], path: tuple[str, ...], required: bool) -> Iterator[tuple[tuple[str, ...], bool]]:
    for name, field in kind.model_fields.items():
        inner, needed = field.annotation, required and field.is_required()
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _leaves(inner, (*path, name), needed)
        else:
            yield (*path, name), needed


def json_of(task: Task[Any, Any], path: Sequence[str]) -> str:
    """Return the JSON that a cell of a field holds, with … for values; "" for a field of text, numbers or labels."""
    kind: Any = task.request_type if path[0] == SIDES[0] else task.response_type
    for name in path[1:]:
        kind = kind.model_fields[name].annotation
    shape = value_of(kind)
    return shape if shape != "…" else "[…]" if get_origin(kind) in {list, tuple, set, frozenset} else ""


def _paths(name: str, fields: Mapping[tuple[str, ...], bool]) -> list[tuple[str, ...]]:
    """Return the fields that a name can mean: by full path, or by the path without `request` or `response`."""
    wanted = tuple(name.split("."))
    return [path for path in fields if wanted in (path, path[1:])]


def _no_field(name: str, paths: Sequence[tuple[str, ...]], fields: Mapping[tuple[str, ...], bool]) -> Problem:
    if paths:
        advice = f"Write {' or '.join('.'.join(path) for path in paths)}."
        return Problem(f"'{name}' is a field of both the request and the response.", "--map", advice)
    known = [".".join(path[1:]) for path in fields]
    advice = nearest(name, known) or f"Its fields: {', '.join('.'.join(path) for path in fields)}."
    return Problem(f"The task has no field '{name}'.", "--map", advice)


def _no_column(where: str, name: str, table: Table) -> Problem:
    advice = nearest(name, table.columns) or f"Its columns: {', '.join(table.columns)}."
    return Problem(f"The file {table.path.name} has no column '{name}'.", where, advice)


def _lacking(task: Task[Any, Any], sources: Sequence[Source], table: Table) -> list[Problem]:
    mapped = {source.path for source in sources}
    columns = f"The columns of {table.path.name}: {', '.join(table.columns)}."
    return [
        Problem(
            f"The {path[0]} needs the field '{'.'.join(path[1:])}', and no column is mapped to it.",
            "--map",
            f"Add it: --map {'.'.join(path[1:])}=COLUMN. {_hint(task, path)}{columns}",
        )
        for path, required in _fields(task).items()
        if required and path not in mapped
    ]


def _hint(task: Task[Any, Any], path: Sequence[str]) -> str:
    shape = json_of(task, path)
    return f"Each cell of this column holds JSON: {shape} " if shape else ""
