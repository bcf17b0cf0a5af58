"""Reads the examples that a project's data files already have, so that an import does not repeat them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from kit.data.tables.converting import content_of
from kit.task import Example, Task

AnyExample = Example[Any, Any]


@dataclass(frozen=True)
class Known:
    """An example of a data file, and its file and line."""

    example: AnyExample
    path: Path
    line: int

    @property
    def place(self) -> str:
        """The file's name and the line."""
        return f"{self.path.name}:{self.line}"

    @property
    def content(self) -> str:
        """The request and the response as one text."""
        return content_of(self.example)


def known_examples(paths: Iterable[Path], task: Task[Any, Any]) -> Iterator[Known]:
    """Yield the valid examples of the files that exist. `kit check` reports the invalid ones."""
    kind = task.example_type()
    for path in dict.fromkeys(path for path in paths if path.is_file()):
        for number, line in enumerate(path.read_bytes().splitlines(), start=1):
            try:
                yield Known(kind.model_validate_json(line, strict=True), path, number)
            except ValidationError:
                continue


def lines_of(examples: Iterable[AnyExample]) -> bytes:
    """Return examples as lines of JSON, with the fields that were set and no others."""
    made = (each.model_dump(mode="json", exclude_unset=True) for each in examples)
    return "".join(f"{json.dumps(each, ensure_ascii=False)}\n" for each in made).encode()
