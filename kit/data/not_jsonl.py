"""Recognises data files that are not JSONL, and says how to convert them."""

from __future__ import annotations

import csv
import json
import shlex
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from kit.errors import InputError

_DELIMITERS = {
    ",": "CSV",
    "\t": "tab-separated text",
    ";": "CSV with semicolons",
    "|": "a table with columns between bars",
}
_SAMPLE = 20
_WRITE = (
    "Import it with: kit data import csv {file} --map FIELD=COLUMN. Or write each row as one line of JSON: {shape}."
)


def refuse_other_layouts(text: str, path: Path, kind: type[BaseModel]) -> None:
    """Raise InputError if a file is one JSON array, JSON over several lines, or a table of columns."""
    start = text.lstrip()
    first = start.split("\n", 1)[0]
    whole = _is_json(first)
    if start.startswith("["):
        _refuse_array(start, path, whole)
    elif start.startswith("{"):
        _refuse_spread(start, path, whole)
    elif "\r" in first.strip() and "\n" not in start:
        raise InputError(
            "The lines of this file end with carriage returns only.", str(path), _convert("tr '\\r' '\\n' <", path)
        )
    elif not whole and (found := _columns(text, path)) is not None:
        name, columns = found
        what = f"This file is {name} (columns: {', '.join(columns)}), not lines of JSON."
        raise InputError(what, str(path), _WRITE.format(file=shlex.quote(str(path)), shape=shape_of(kind)))


def no_line_is_json(path: Path, count: int, kind: type[BaseModel]) -> InputError:
    """Return one error for a file without any line of JSON, instead of one error per line."""
    advice = f"Write each example as one line of JSON: {shape_of(kind)}"
    return InputError(f"None of the {count} lines of this file is JSON.", str(path), advice)


def shape_of(kind: type[BaseModel]) -> str:
    """Return the keys that a line has to have, with … for values."""
    fields = kind.model_fields
    names = [name for name, field in fields.items() if field.is_required()] or list(fields)[:1]
    return "{" + ", ".join(f'"{name}": {value_of(fields[name].annotation)}' for name in names) + "}"


def value_of(annotation: Any) -> str:
    """Return the JSON of a field's type, with … for values: an object or a list of objects has its keys."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return shape_of(annotation)
    held = [each for each in get_args(annotation) if isinstance(each, type) and issubclass(each, BaseModel)]
    return f"[{shape_of(held[0])}, …]" if held else "…"


def _refuse_array(start: str, path: Path, whole: bool) -> None:
    """Refuse a file that is one JSON array. If other lines follow the array, only its line is wrong."""
    if whole and "\n" in start.rstrip():
        return
    raise InputError("This file is one JSON array, not lines of JSON.", str(path), _convert("jq -c '.[]'", path))


def _refuse_spread(start: str, path: Path, whole: bool) -> None:
    """Refuse a file with an object over several lines: one of several examples, or one that contains all of them."""
    if whole:
        return
    try:
        found, end = json.JSONDecoder().raw_decode(start)
    except (ValueError, RecursionError):
        return
    if "\n" not in start[:end]:
        return
    lists = [key for key, value in found.items() if isinstance(value, list)]
    if not start[end:].strip() and len(lists) == 1 and isinstance((found[lists[0]] or [None])[0], dict):
        what = f"This file is one JSON object with a list under '{lists[0]}', not lines of JSON."
        raise InputError(what, str(path), _convert(f"jq -c '.[{json.dumps(lists[0])}][]'", path))
    what = "This file has JSON over several lines; each example must be one line."
    raise InputError(what, str(path), _convert("jq -c .", path))


def _columns(text: str, path: Path) -> tuple[str, list[str]] | None:
    """Return the kind of table of a text, and its columns; None if its lines differ in their number of columns."""
    for delimiter, name in _DELIMITERS.items():
        try:
            rows = list(islice(_table(text, delimiter), _SAMPLE))
        except csv.Error:
            continue
        objects = any(row[0].lstrip().startswith("{") for row in rows)
        if len(rows) > 1 and len(rows[0]) > 1 and all(len(row) == len(rows[0]) for row in rows) and not objects:
            return name, rows[0]
    if path.suffix.lower() in {".csv", ".tsv"} and text.strip():
        return "CSV", next(csv.reader([text.strip().split("\n", 1)[0]]), [])
    return None


def _table(text: str, delimiter: str) -> Iterator[list[str]]:
    return (row for row in csv.reader(text.split("\n"), delimiter=delimiter) if row)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _convert(command: str, path: Path) -> str:
    return f"Convert it with: {command} {shlex.quote(str(path))} > NEW.jsonl"
