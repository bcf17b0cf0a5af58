"""Examples as lines of JSON: read with every mistake pointed at, written in one step."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from kit.data.positions import positions
from kit.errors import InputError, Problem, UnfitRows
from kit.files import write_atomically
from kit.task import Example, Task
from kit.validation import KeyPath, dotted, problems_of

AnyExample = Example[Any, Any]
Model = TypeVar("Model", bound=BaseModel)
_BOM = b"\xef\xbb\xbf"
NOTHING_TO_LEARN = "nothing_to_learn"
"""The type of the pydantic error that a line raises which has nothing to learn from."""
_POISON = {"finite_number", "greater_than_equal", "less_than_equal", "value_error"}


@dataclass
class DataFile:
    """The examples of one file, and the file and line of each by id."""

    path: Path
    examples: list[AnyExample] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)


def read_examples(path: Path, task: Task[Any, Any]) -> list[AnyExample]:
    """Return the examples of a JSONL file.

    Raises InputError with every problem of the file at once, each as file:line:column; UnfitRows where one of them is
    a number that is none, a weight below 0, or a line that has nothing to learn from.
    """
    return read_file(path, task).examples


def read_file(path: Path, task: Task[Any, Any]) -> DataFile:
    """Return the examples of a JSONL file with their lines. Raises InputError as `read_examples` does."""
    kind = task.example_type()
    found, wrong = DataFile(path), list[InputError]()
    for number, line in enumerate(_lines(path), start=1):
        try:
            example = _read_line(line, f"{path}:{number}", kind)
        except InputError as error:
            wrong.append(error)
            continue
        if example.id in found.places:
            first = found.places[example.id]
            wrong.append(InputError(f"The id '{example.id}' is already used at {first}.", f"{path}:{number}:1"))
        found.places.setdefault(example.id, f"{path}:{number}")
        found.examples.append(example)
    if wrong:
        raise _together(wrong)
    if not found.examples:
        raise InputError("There are no examples in this file.", str(path))
    return found


def read_records(path: Path, kind: type[Model]) -> list[tuple[str, Model]]:
    """Return the lines of a JSONL file as objects of a type, each with its file and line.

    Raises InputError as `read_examples` does, and where the file is empty.
    """
    found, wrong = list[tuple[str, Model]](), list[InputError]()
    for number, line in enumerate(_lines(path), start=1):
        place = f"{path}:{number}"
        try:
            found.append((place, _read_line(line, place, kind)))
        except InputError as error:
            wrong.append(error)
    if wrong:
        raise _together(wrong)
    if not found:
        raise InputError("There is nothing in this file.", str(path))
    return found


def write_examples(path: Path, examples: Iterable[BaseModel]) -> None:
    """Write examples as JSONL in one step; fields at their defaults are left out."""
    lines = (json.dumps(each.model_dump(mode="json", exclude_defaults=True), ensure_ascii=False) for each in examples)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, "".join(f"{line}\n" for line in lines))


def _together(errors: Sequence[InputError]) -> InputError:
    """All problems as one error, which is the worse kind where one of them is."""
    kind = UnfitRows if any(isinstance(error, UnfitRows) for error in errors) else InputError
    return kind([problem for error in errors for problem in error.problems])


def _lines(path: Path) -> list[bytes]:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise InputError("There is no such data file.", str(path)) from None
    except OSError as error:
        raise InputError(f"The data file cannot be read: {error.strerror}.", str(path)) from None
    lines = content.split(b"\n")
    return lines[:-1] if lines[-1] == b"" else lines


def _read_line(line: bytes, place: str, kind: type[Model]) -> Model:
    """Raises InputError with every problem of one line; UnfitRows where it is not fit to be trained on."""
    text = _text(line, place)
    repeated: list[str] = []
    _parse(text, place, repeated)
    problems: list[Problem] = []
    example, unfit = None, any(name != "key" for name in repeated)
    try:
        example = kind.model_validate_json(text, strict=True)
    except ValidationError as error:
        problems = problems_of(error, kind, lambda path: _place(text, place, path))
        unfit = unfit or any(map(_is_unfit, error.errors(include_url=False, include_input=False)))
    if repeated:
        suspicious = list(_suspicious(text, place))
        places = {problem.where for problem in suspicious}
        problems = [*suspicious, *(problem for problem in problems if problem.where not in places)]
    if problems or example is None:
        raise (UnfitRows if unfit else InputError)(problems)
    return example


def _is_unfit(found: Mapping[str, Any]) -> bool:
    return found["type"] == NOTHING_TO_LEARN or (found["loc"] == ("weight",) and found["type"] in _POISON)


def _text(line: bytes, place: str) -> str:
    if line.startswith(_BOM):
        raise InputError("The line begins with a byte order mark.", f"{place}:1", "Save the file as UTF-8 without BOM.")
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        column = len(line[: error.start].decode("utf-8")) + 1
        what = f"Byte 0x{line[error.start]:02x} is not UTF-8; the file may be Latin-1 or Windows-1252."
        raise InputError(what, f"{place}:{column}", "Convert it with: iconv -f latin1 -t utf-8") from None
    if not text.strip():
        raise InputError("The line is empty.", f"{place}:1", "Remove it: each line is one example.")
    return text


def _parse(text: str, place: str, repeated: list[str]) -> None:
    """Check that a line is JSON; note the names of keys that are repeated and of values that JSON does not have."""

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        repeated.extend(["key"] if len({key for key, _ in items}) < len(items) else [])
        return dict(items)

    try:
        json.loads(text, object_pairs_hook=pairs, parse_constant=repeated.append)
    except json.JSONDecodeError as error:
        raise InputError(f"This is not JSON: {error.msg}.", f"{place}:{error.colno}") from None
    except RecursionError:
        raise InputError("The JSON is nested too deeply.", f"{place}:1") from None
    except ValueError as error:
        raise InputError(f"This is not JSON: {error}.", f"{place}:1") from None


def _suspicious(text: str, place: str) -> Iterator[Problem]:
    found = positions(text)
    for path in found.repeated:
        yield Problem(f"The key '{path[-1]}' stands twice in one object.", _place(text, place, path))
    for path in found.not_numbers:
        yield Problem("JSON has no such number.", _place(text, place, path))


def _place(text: str, place: str, path: KeyPath) -> str:
    at = f"{place}:{positions(text).offset(path) + 1}"
    return f"{at}: {dotted(path)}" if path else at
