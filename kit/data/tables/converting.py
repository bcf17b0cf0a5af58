"""Converts rows of a table to examples of a task, and reports every wrong cell with file, row and column."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from kit.data.tables.labels import UnknownLabels, expected_labels, refused_labels
from kit.data.tables.mapping import SIDES, Source, json_of
from kit.data.tables.reading import Row, Table, is_filled
from kit.errors import InputError, KitError, Problem
from kit.recipe.wording import words_for
from kit.task import Example, Task

AnyExample = Example[Any, Any]
_LABEL_ERRORS = {"literal_error", "enum"}
_SHOWN = 60
_ID_LENGTH = 12


@dataclass(frozen=True)
class Found:
    """An example and its row. `grouped`: the user named its group."""

    example: AnyExample
    row: Row
    grouped: bool


@dataclass
class _Reading:
    """What is wrong so far."""

    table: Table
    task: Task[Any, Any]
    sources: Sequence[Source]
    problems: list[Problem] = field(default_factory=list)
    labels: UnknownLabels = field(default_factory=UnknownLabels)


def convert(
    table: Table, task: Task[Any, Any], sources: Sequence[Source], id_column: str | None, group_column: str | None
) -> list[Found]:
    """Return one example per row. Without columns for them, the id is a hash of the content, and the group is the id.

    Raises InputError with every cell that does not fit its field, every unknown label (once, with
    its count), and every repeated id.
    """
    reading = _Reading(table, task, sources)
    examples = []
    for row in table.rows:
        example = _example(reading, row)
        keys = {name: _key(reading, row, name) for name in (id_column, group_column) if name is not None}
        if example is None or None in keys.values():
            continue
        id = keys[id_column] if id_column else _hashed(table, example)
        group = keys[group_column] if group_column else id
        named = example.model_copy(update={"id": id, "group": group})
        _note_labels(reading, row, named)
        examples.append(Found(named, row, group_column is not None))
    if id_column:
        reading.problems += _repeated(table, examples, id_column)
    problems = [*reading.labels.problems(table.path, task), *reading.problems]
    if problems:
        raise InputError(problems)
    return examples


def _example(reading: _Reading, row: Row) -> AnyExample | None:
    """Return a row as an example without an id; record its problems."""
    kind = reading.task.example_type()
    data = _nested(reading.sources, row)
    try:
        return kind.model_validate_json(json.dumps(data), strict=True)
    except ValidationError as error:
        retried = _converted(data, reading.sources, error)
    try:
        return kind.model_validate_json(json.dumps(retried), strict=True)
    except ValidationError as error:
        for each in error.errors(include_url=False, include_input=False):
            _note(reading, row, dict(each))
        return None


def _nested(sources: Sequence[Source], row: Row) -> dict[str, Any]:
    """Return the fields of a row as nested objects; an empty cell, or one of white space, leaves its field out."""
    data: dict[str, Any] = {"id": "", "group": "", **{side: {} for side in SIDES}}
    for source in sources:
        value = row.cells.get(source.column)
        if not is_filled(value):
            continue
        place = data
        for name in source.path[:-1]:
            place = place.setdefault(name, {})
        place[source.path[-1]] = value
    return data


def _converted(data: dict[str, Any], sources: Sequence[Source], error: ValidationError) -> dict[str, Any]:
    """Return the fields; those that do not fit are read as another type: text as JSON (a number …), numbers as text."""
    wrong = [each["loc"] for each in error.errors(include_url=False, include_input=False)]
    for source in sources:
        place = data
        for name in source.path[:-1]:
            place = place.get(name, {})
        last = source.path[-1]
        if last in place and any(loc[: len(source.path)] == source.path for loc in wrong):
            place[last] = _otherwise(place[last])
    return data


def _otherwise(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value.strip().lower() == "true" if value.strip().lower() in {"true", "false"} else value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _note(reading: _Reading, row: Row, error: dict[str, Any]) -> None:
    """Record one of pydantic's errors about a row, with the field's column."""
    path = tuple(map(str, error["loc"]))
    source = next((each for each in reading.sources if path[: len(each.path)] == each.path), None)
    if source is None:
        reading.problems.append(Problem(f"{'.'.join(path)}: {words_for(error)}.", reading.table.place(row)))
        return
    value = row.cells.get(source.column)
    where = reading.table.place(row, source.column)
    if not is_filled(value):
        reading.problems.append(Problem("This cell is empty.", where, f"The field '{'.'.join(path)}' needs a value."))
    elif error["type"] in _LABEL_ERRORS and path == source.path:
        reading.labels.add(source.column, str(value), expected_labels(error))
    else:
        inside = ".".join(path[len(source.path) :])
        what = f"{inside}: {words_for(error)}" if inside else words_for(error)
        shape = json_of(reading.task, source.path)
        advice = f"A cell of this field holds JSON: {shape}" if shape else ""
        reading.problems.append(Problem(f"{what}: '{str(value)[:_SHOWN]}'.", where, advice))


def _note_labels(reading: _Reading, row: Row, example: AnyExample) -> None:
    """Record labels that the response's type allows but the prompt's choices do not."""
    try:
        refused = list(refused_labels(reading.task, example))
    except KitError as error:
        place = reading.table.place(row)
        reading.problems.extend(Problem(each.what, place, each.next) for each in error.problems)
        return
    for label, known in refused:
        column = next((each.column for each in reading.sources if row.cells.get(each.column) == label), "")
        reading.labels.add(column, label, known)


def _key(reading: _Reading, row: Row, column: str) -> str | None:
    """Return the cell of an id or a group; record a problem if it is empty."""
    value = row.cells.get(column)
    text = "" if value is None else str(value).strip()
    if not text:
        reading.problems.append(Problem("This cell is empty.", reading.table.place(row, column)))
    return text or None


def _hashed(table: Table, example: AnyExample) -> str:
    """Return an id that depends only on the content, so that a second import gives the same id."""
    stem = re.sub(r"[^a-z0-9]+", "-", table.path.stem.lower()).strip("-") or "row"
    return f"{stem}-{hashlib.sha256(content_of(example).encode('utf-8', 'surrogatepass')).hexdigest()[:_ID_LENGTH]}"


def content_of(example: AnyExample) -> str:
    """Return the request and the response as one text. Two examples with the same text are duplicates."""
    both: Mapping[str, Any] = example.model_dump(mode="json", include=set(SIDES))
    return json.dumps(both, sort_keys=True, ensure_ascii=False)


def _repeated(table: Table, examples: Sequence[Found], column: str) -> Iterator[Problem]:
    """Yield a problem for each id of two rows with different content. Equal rows are only duplicates."""
    first: dict[str, Found] = {}
    for found in examples:
        known = first.setdefault(found.example.id, found)
        if content_of(known.example) != content_of(found.example):
            what = f"The id '{found.example.id}' is already used in row {known.row.number}."
            yield Problem(what, table.place(found.row, column))
