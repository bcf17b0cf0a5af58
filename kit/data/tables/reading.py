"""Reads a table as rows with named cells: CSV, XLSX or JSONL, by the ending of the file's name."""

from __future__ import annotations

import csv
import datetime
import io
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import RootModel

from kit.data.formats import read_records
from kit.errors import InputError, Problem, nearest
from kit.system.decoding import decode

_TEXT = {".csv", ".tsv", ".txt"}
_SHEETS = {".xlsx", ".xlsm", ".xls", ".ods"}
_LINES = {".jsonl", ".ndjson"}
_WHOLE = {".json"}
_LONGEST_LIST = 64  # of which each element is a column
_DELIMITERS = (",", ";", "\t", "|")
_SAMPLE = 20


@dataclass(frozen=True)
class Row:
    """The cells of one row by column. `number` is as in a spreadsheet: the header is row 1."""

    number: int
    cells: Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    """The columns in their order, and the rows that are not empty."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def place(self, row: Row, column: str = "") -> str:
        """Return where a row or one of its cells is, for an error."""
        return f"{self.path}: row {row.number}" + (f", column '{column}'" if column else "")


class _Object(RootModel[dict[str, Any]]):
    """One line of a JSONL table."""


def read_table(path: Path, kind: str | None = None, sheet: str | None = None) -> Table:
    """Return a table. Raises InputError with every problem of the file at once.

    `kind` ("csv", "tsv", "xlsx", "jsonl" or "json") says what the file is where the ending of its name does not.
    `sheet` names a sheet of a workbook.
    """
    known = _TEXT | _SHEETS | _LINES | _WHOLE
    ending = next((each for each in (path.suffix.lower(), f".{kind}") if each in known), "")
    if not ending:
        what = f"The ending '{path.suffix}' does not say what kind of table this is."
        raise InputError(what, str(path), "Name the file .csv, .tsv, .xlsx, .jsonl or .json.")
    if ending in _SHEETS:
        return _table(path, _sheet_records(path, sheet))
    if sheet is not None:
        raise InputError("Only a workbook has sheets.", "--sheet", f"Leave the option out for {path.name}.")
    if ending in _LINES | _WHOLE:
        return _read_lines(path) if ending in _LINES else _read_whole(path)
    return _table(path, _text_records(path))


def _table(path: Path, records: Iterable[Sequence[Any]]) -> Table:
    numbered = [(number, list(record)) for number, record in enumerate(records, start=1) if any(map(is_filled, record))]
    if not numbered:
        raise InputError("This file is empty.", str(path))
    columns = [str(name).strip() if is_filled(name) else "" for name in numbered[0][1]]
    while columns and not columns[-1]:
        columns.pop()
    problems = [
        Problem(f"Two columns have the name '{name}'.", f"{path}: row {numbered[0][0]}", "Rename one of them.")
        for name in sorted({name for name in columns if name and columns.count(name) > 1})
    ]
    rows = []
    for number, record in numbered[1:]:
        if len(record) < len(columns) or any(map(is_filled, record[len(columns) :])):
            what = f"This row has {len(record)} cells; the header has {len(columns)}."
            problems.append(Problem(what, f"{path}: row {number}", "Quote a cell that contains a delimiter."))
        rows.append(Row(number, {name: value for name, value in zip(columns, record, strict=False) if name}))
    if problems:
        raise InputError(problems)
    if not rows:
        raise InputError("The table has a header and no rows.", str(path))
    return Table(path, tuple(name for name in columns if name), tuple(rows))


def is_filled(value: Any) -> bool:
    """Whether a cell holds more than white space."""
    return value is not None and bool(str(value).strip())


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"The file cannot be read: {error.strerror}.", str(path)) from None


def _text_records(path: Path) -> list[list[str]]:
    text = decode(_content(path), path)
    csv.field_size_limit(sys.maxsize)  # a cell may hold a whole contract
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    records: list[list[str]] = []
    start = 1
    try:
        for record in reader:
            records.append(record)
            start = reader.line_num + 1
    except csv.Error as error:
        advice = "A quote may be missing its end; inside a quoted cell, double each quote."
        what = f"This is not CSV, in the row that begins here: {error}."
        raise InputError(what, f"{path}:{start}", advice) from None
    return records


def _delimiter(text: str) -> str:
    """Return the delimiter that gives the first rows an equal number of columns, and the most columns."""

    def score(delimiter: str) -> tuple[bool, int]:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        widths = [len(row) for row, _ in zip(rows, range(_SAMPLE), strict=False) if row]
        return len(set(widths)) == 1 and widths[0] > 1, max(widths[:1], default=0)

    return max(_DELIMITERS, key=score)  # the first of equal ones


def _sheet_records(path: Path, sheet: str | None) -> list[list[Any]]:
    """Return the rows of the sheet that is named, or else of the only one that is not empty."""
    from python_calamine import CalamineError

    _content(path)
    try:
        sheets = _sheets(path)
    except (CalamineError, OSError) as error:
        advice = "Open it in a spreadsheet program and save it as CSV."
        raise InputError(f"The workbook cannot be read: {error}.", str(path), advice) from None
    listed = ", ".join(f"'{name}'" for name in sheets)
    if sheet is not None and sheet not in sheets:
        advice = nearest(sheet, sheets) or (f"It has rows in: {listed}." if sheets else "")
        raise InputError(f"The workbook {path.name} has no visible sheet '{sheet}' with rows.", "--sheet", advice)
    if sheet is None and len(sheets) > 1:
        what = f"The workbook has {len(sheets)} sheets with rows: {listed}."
        raise InputError(what, str(path), "Say which one to import: --sheet NAME")
    return sheets[sheet] if sheet is not None else next(iter(sheets.values()), [])


def _sheets(path: Path) -> dict[str, list[list[Any]]]:
    """Return the rows of each visible sheet that is not empty."""
    from python_calamine import CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

    book = CalamineWorkbook.from_path(path)
    names = [
        each.name
        for each in book.sheets_metadata
        if each.typ == SheetTypeEnum.WorkSheet and each.visible == SheetVisibleEnum.Visible
    ]
    read = {name: book.get_sheet_by_name(name).to_python(skip_empty_area=False) for name in names}
    return {
        name: [list(map(_cell, row)) for row in rows]
        for name, rows in read.items()
        if any(any(map(is_filled, row)) for row in rows)
    }


def _cell(value: Any) -> Any:
    """Return a cell as a JSON value: whole numbers without a fraction, dates in ISO 8601."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return str(value) if isinstance(value, datetime.timedelta) else value


def _read_lines(path: Path) -> Table:
    """Return lines of JSON as a table; values inside an object or a list have columns with dotted names."""
    records = read_records(path, _Object)
    return _nested(path, [(int(place.rpartition(":")[2]), record.root) for place, record in records])


def _read_whole(path: Path) -> Table:
    """Return a file that is one list of objects as a table; rows are counted from 1."""
    try:
        records = json.loads(decode(_content(path), path))
    except ValueError as error:
        raise InputError(f"This is not JSON: {error}.", str(path)) from None
    except RecursionError:
        raise InputError("The JSON is nested too deeply.", str(path)) from None
    if not isinstance(records, list) or not records:
        raise InputError("This file is not a list of objects.", str(path), "A table in JSON is [{…}, {…}].")
    if wrong := [number for number, record in enumerate(records, start=1) if not isinstance(record, dict)]:
        raise InputError([Problem("This element is not an object.", f"{path}: row {number}") for number in wrong])
    return _nested(path, list(enumerate(records, start=1)))


def _nested(path: Path, records: Sequence[tuple[int, Mapping[str, Any]]]) -> Table:
    rows = tuple(Row(number, dict(_flat(record))) for number, record in records)
    return Table(path, tuple(dict.fromkeys(name for row in rows for name in row.cells)), rows)


def _flat(record: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value with its path: `data.text`, `turns.0.words`, and from the end of a list `turns.-1.words`."""
    for key, value in record.items():
        yield f"{prefix}{key}", value
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        elif isinstance(value, list) and len(value) <= _LONGEST_LIST:
            places = dict(enumerate(value)) | {index - len(value): each for index, each in enumerate(value)}
            yield from _flat({str(place): each for place, each in places.items()}, f"{prefix}{key}.")
