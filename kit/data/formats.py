"""Reads examples from JSONL, with the position of every mistake; writes them atomically."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from kit.data.not_jsonl import no_line_is_json, refuse_other_layouts
from kit.data.positions import positions
from kit.errors import InputError, Problem, UnfitRows
from kit.recipe.validation import KeyPath, dotted, problems_of
from kit.system.decoding import not_utf8, refuse_other_files
from kit.system.files import write_atomically
from kit.task import Example, Task

AnyExample = Example[Any, Any]
Model = TypeVar("Model", bound=BaseModel)
_BOM = b"\xef\xbb\xbf"
_MANY = 3
_ESCAPE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\."
)
NOTHING_TO_LEARN = "nothing_to_learn"
"""Type of the pydantic error for a line without a target to learn from."""
_POISON = {"finite_number", "greater_than_equal", "less_than_equal", "value_error"}


class _NotJson(InputError):
    """A line that is not JSON at all."""


@dataclass
class DataFile:
    """The examples of one file, and the file and line of each by id."""

    path: Path
    examples: list[AnyExample] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)


def read_examples(path: Path, task: Task[Any, Any]) -> list[AnyExample]:
    """Return the examples of a JSONL file.

    Raises InputError with every problem of the file at once, each as file:line:column; UnfitRows if one of them is
    NaN, a weight below 0, or a line without a target to learn from.
    """
    return read_file(path, task).examples


def read_file(path: Path, task: Task[Any, Any]) -> DataFile:
    """Return the examples of a JSONL file with their lines. Raises InputError as `read_examples` does."""
    found, wrong = DataFile(path), list[InputError]()
    for place, example in each_line(path, task.example_type(), wrong):
        if example.id in found.places:
            first = found.places[example.id]
            wrong.append(InputError(f"The id '{example.id}' is already used at {first}.", f"{place}:1"))
        found.places.setdefault(example.id, place)
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
    wrong = list[InputError]()
    found = list(each_line(path, kind, wrong))
    if wrong:
        raise _together(wrong)
    if not found:
        raise InputError("This file is empty.", str(path))
    return found


def write_examples(path: Path, examples: Iterable[BaseModel]) -> None:
    """Write examples as JSONL in one step; fields at their defaults are left out."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, jsonl(examples))


def jsonl(examples: Iterable[BaseModel]) -> str:
    """Return examples as lines of JSON; fields at their defaults are left out."""
    lines = (json.dumps(each.model_dump(mode="json", exclude_defaults=True), ensure_ascii=False) for each in examples)
    return "".join(f"{line}\n" for line in lines)


def _together(errors: Sequence[InputError]) -> InputError:
    """All problems as one error; UnfitRows if one of the errors is."""
    kind = UnfitRows if any(isinstance(error, UnfitRows) for error in errors) else InputError
    return kind([problem for error in errors for problem in error.problems])


def each_line(path: Path, kind: type[Model], wrong: list[InputError]) -> Iterator[tuple[str, Model]]:
    """Yield each valid line with its file and line number; add the errors of the others to `wrong`.

    Raises InputError if no line of the file is JSON.
    """
    content = _content(path)
    refuse_other_files(content, path)
    refuse_other_layouts(content.removeprefix(_BOM).decode("utf-8", errors="replace"), path, kind)
    lines = content.removesuffix(b"\n").split(b"\n") if content else []
    undecoded = _undecoded(lines)
    if undecoded:
        wrong.append(_one_for_all(lines, undecoded, path, content))
    before = len(wrong)
    for number, line in enumerate(lines, start=1):
        place = f"{path}:{number}"
        if number in undecoded:
            continue
        try:
            yield place, _read_line(line, place, kind)
        except InputError as error:
            wrong.append(error)
    if len(lines) >= _MANY and [type(error) for error in wrong[before:]] == [_NotJson] * len(lines):
        raise no_line_is_json(path, len(lines), kind)


def _undecoded(lines: Sequence[bytes]) -> set[int]:
    """Return the numbers of the lines that are not UTF-8."""
    found = set()
    for number, line in enumerate(lines, start=1):
        try:
            line.decode("utf-8")
        except UnicodeDecodeError:
            found.add(number)
    return found


def _one_for_all(lines: Sequence[bytes], undecoded: set[int], path: Path, content: bytes) -> InputError:
    """One problem for all lines that are not UTF-8: that of the first line."""
    first = min(undecoded)
    problem = not_utf8(lines[first - 1], f"{path}:{first}", path, content)
    more = f" {len(undecoded) - 1} more lines have this problem." if len(undecoded) > 1 else ""
    return InputError(f"{problem.what}{more}", problem.where, problem.next)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError("There is no such data file.", str(path)) from None
    except OSError as error:
        raise InputError(f"The data file cannot be read: {error.strerror}.", str(path)) from None


def _read_line(line: bytes, place: str, kind: type[Model]) -> Model:
    """Raises InputError with every problem of one line; UnfitRows if the line must not be trained on."""
    text = _text(line, place)
    repeated: list[str] = []
    _parse(text, place, repeated)
    if half := _half_problem(text, place):
        raise half
    problems: list[Problem] = []
    example, unfit = None, any(name != "key" for name in repeated)
    try:
        example = kind.model_validate_json(text, strict=True)
    except ValidationError as error:
        if any(each["type"] == "json_invalid" for each in error.errors(include_url=False, include_input=False)):
            raise InputError("The JSON is nested too deeply.", f"{place}:1") from None
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
        raise InputError("The line starts with a byte order mark.", f"{place}:1", "Save the file as UTF-8 without BOM.")
    text = line.decode("utf-8")
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
        raise _NotJson(f"This is not JSON: {error.msg}.", f"{place}:{error.colno}") from None
    except RecursionError:
        raise InputError("The JSON is nested too deeply.", f"{place}:1") from None
    except ValueError:
        raise InputError("A number of this line has too many digits.", f"{place}:1") from None


def _half_problem(text: str, place: str) -> InputError | None:
    """Return the error of the first escape that is one half of a character beyond U+FFFF without the other."""
    if "\\ud" not in text.lower():
        return None
    match = next((match for match in _ESCAPE.finditer(text) if match["half"]), None)
    if match is None:
        return None
    try:
        path = positions(text).path_at(match.start())
    except RecursionError:
        path = ()
    where = f"{place}:{match.start() + 1}" + (f": {dotted(path)}" if path else "")
    what = f"{match['half']} is half of a surrogate pair, not a character."
    return InputError(what, where, "Write the character itself, or both halves of its pair.")


def _suspicious(text: str, place: str) -> Iterator[Problem]:
    found = positions(text)
    for path in found.repeated:
        yield Problem(f"The key '{path[-1]}' is repeated in one object.", _place(text, place, path))
    for path in found.not_numbers:
        yield Problem("JSON has no such number.", _place(text, place, path))


def _place(text: str, place: str, path: KeyPath) -> str:
    at = f"{place}:{positions(text).offset(path) + 1}"
    return f"{at}: {dotted(path)}" if path else at
