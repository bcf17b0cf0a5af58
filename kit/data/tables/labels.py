"""Reports labels of a table that the task does not know: which, how often, and where to add them."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from kit.errors import Problem, nearest
from kit.task import Choices, Example, Task

_QUOTED = re.compile(r"'([^']*)'")
_SHOWN = 20


class UnknownLabels:
    """Counts labels that are outside a closed set, by column."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[str]] = {}
        self._known: dict[str, tuple[str, ...]] = {}

    def add(self, column: str, label: str, known: Sequence[str]) -> None:
        """Count one label of a column; `known` are the task's labels."""
        self._counts.setdefault(column, Counter())[label] += 1
        self._known[column] = tuple(known)

    def problems(self, path: Path, task: Task[Any, Any]) -> Iterator[Problem]:
        """Yield one problem per column."""
        for column, counts in self._counts.items():
            known = self._known[column]
            listed = ", ".join(_listed(label, count, known) for label, count in counts.most_common(_SHOWN))
            more = f", and {len(counts) - _SHOWN} more" if len(counts) > _SHOWN else ""
            noun = "label is" if len(counts) == 1 else "labels are"
            what = f"{len(counts)} {noun} not among the task's: {listed}{more}. The task knows: {', '.join(known)}."
            them = "it" if len(counts) == 1 else "them"
            advice = f"Add {them} to the labels in {_home_of(known, task)}, or correct the column."
            yield Problem(what, f"{path}: column '{column}'", advice)


def expected_labels(error: Mapping[str, Any]) -> list[str]:
    """Return the labels that pydantic names in an error about a closed set."""
    return _QUOTED.findall(str(error.get("ctx", {}).get("expected", "")))


def refused_labels(task: Task[Any, Any], example: Example[Any, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each target of an example that is not one of its prompt's choices, with the choices."""
    prompts = task.prompts(example.request)
    for prompt, target in zip(prompts, task.targets(example.request, example.response), strict=False):
        if isinstance(prompt.answer, Choices) and isinstance(target, str) and target not in prompt.answer.labels:
            yield target, prompt.answer.labels


def _listed(label: str, count: int, known: Sequence[str]) -> str:
    """Return a label with its count, and a known one that is nearly the same."""
    word = label.strip()
    hint = f"Did you mean '{word}'?" if word in known else nearest(word, known)
    return f"'{label}' ({_rows(count)}{'; d' + hint.removeprefix('D') if hint else ''})"


def _rows(count: int) -> str:
    return f"{count} row" if count == 1 else f"{count} rows"


def _home_of(known: Sequence[str], task: Task[Any, Any]) -> str:
    """Return where the labels are listed: an option of the recipe, or the file and line of the task's code."""
    for name, value in task.options.model_dump(mode="json").items():
        if isinstance(value, list) and value and set(value) <= set(known):
            return f"recipe.yaml: options.{name} of the task"
    files = [_file_of(kind) for kind in (task.response_type, type(task))]
    for file in filter(None, files):
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
            if known and re.search(rf"""["']{re.escape(known[0])}["']""", line):
                return f"{file.name}:{number}"
    return next((file.name for file in files if file), "the task's code")


def _file_of(kind: type) -> Path | None:
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    return Path(file) if file else None
