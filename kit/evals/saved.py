"""Saves each answer at once as one line, so that an interrupted evaluation loses nothing and can continue.

`evaluations/<bundle>/<time>/` holds

identity.json   what the answers depend on: bundle, engine, machine, versions, and a file of other examples
answers.jsonl   one line per answer: task, who answered, example, answer or error, its record for the metrics
report.json     everything that was measured, once all answers are there

A line counts for an evaluation with the same identity and the same example; a line of an example that was edited
later does not count.
"""

from __future__ import annotations

import errno
import json
import math
import os
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import Any

from kit.data.split import data_digest
from kit.errors import KitError
from kit.evals.run import Row
from kit.system.disk import whole_lines
from kit.system.files import write_atomically
from kit.system.locks import Lock, try_lock
from kit.system.machine import machine_name, version_facts
from kit.task import Example

FOLDER = "evaluations"
ANSWERS_FILE, REPORT_FILE, _IDENTITY_FILE = "answers.jsonl", "report.json", "identity.json"
_SHORT = 12
_Key = tuple[str, str, str, str]


class Answers:
    """The answers of one evaluation: those found on disk, and those added.

    `fault` says why answers are no longer saved (a full disk); it is empty while they are. `passed_over` names an
    unfinished evaluation that is not continued, and why; it is empty if there is none.
    """

    def __init__(self, folder: Path, lock: Lock | None = None, passed_over: str = "") -> None:
        self.folder = folder
        self.file = folder / ANSWERS_FILE
        self.fault = ""
        self.passed_over = passed_over
        self._lock = lock
        self._rows, self._seconds = _read(self.file)
        self.found = len(self._rows)
        self._stream = _open(self.file)

    def __enter__(self) -> Answers:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        if self._lock is not None:
            self._lock.release()

    def __len__(self) -> int:
        return len(self._rows)

    def of(self, task: str, who: str, examples: Sequence[Example[Any, Any]]) -> dict[str, Row]:
        """Return the saved answers to these examples by their ids."""
        keys = {example.id: (task, who, example.id, data_digest([example])) for example in examples}
        return {id: self._rows[key] for id, key in keys.items() if key in self._rows}

    def seconds(self, task: str, who: str) -> float:
        """Return the seconds that the saved answers of a column took."""
        return self._seconds.get((task, who), 0.0)

    def add(self, task: str, who: str, example: Example[Any, Any], row: Row, seconds: float) -> None:
        """Write one answer; `seconds` is the column's time so far. A full disk ends saving, not measuring."""
        key = (task, who, example.id, data_digest([example]))
        self._rows[key] = row
        if self.fault:
            return
        line = _line(key, row, seconds)
        try:
            if self._stream.write(line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            self.fault = f"{error.strerror}: {self.file}"

    def finish(self, report: Mapping[str, Any]) -> Path:
        """Write the report: the evaluation is then complete. Raises OSError."""
        write_atomically(self.folder / REPORT_FILE, json.dumps(finite(report), indent=1, ensure_ascii=False) + "\n")
        return self.folder / REPORT_FILE


def open_answers(root: Path, bundle: str, engine: str, restart: bool = False, examples: str = "") -> Answers:
    """Open the newest unfinished evaluation of this bundle, engine, machine and versions, or a new one.

    `examples` names the file of examples where it is not the test file. Raises KitError if nothing can be written
    there.
    """
    identity = {"bundle": bundle, "engine": engine, "machine": machine_name(), "versions": version_facts()}
    identity |= {"examples": examples} if examples else {}
    parent = root / FOLDER / bundle[:_SHORT]
    try:
        if not restart:
            for folder in sorted(parent.glob("*/"), reverse=True):
                lock = try_lock(folder) if _unfinished(folder, identity) else None
                if lock is not None:
                    return Answers(folder, lock)
        passed_over = "" if restart else _passed_over(parent, identity)
        folder = parent / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:6]}"
        folder.mkdir(parents=True)
        write_atomically(folder / _IDENTITY_FILE, json.dumps(identity, indent=1) + "\n")
        return Answers(folder, try_lock(folder), passed_over)
    except OSError as error:
        what = f"The answers cannot be saved: {error.strerror}."
        raise KitError(what, str(error.filename or parent), "Nothing was measured.") from None


def finite(value: Any) -> Any:
    """Return data for JSON, which has no infinite numbers and no NaN: they become text."""
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _passed_over(parent: Path, identity: Mapping[str, Any]) -> str:
    """Return how the newest unfinished evaluation differs from this one; empty if there is none."""
    for folder in sorted(parent.glob("*/"), reverse=True):
        if (folder / REPORT_FILE).exists():
            continue
        try:
            found = json.loads((folder / _IDENTITY_FILE).read_text(encoding="utf-8"))
            other = [name for name in ("engine", "machine", "versions") if found[name] != identity[name]]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if other:
            return f"{folder.name} is unfinished; it is not continued because these changed: {', '.join(other)}."
    return ""


def _unfinished(folder: Path, identity: Mapping[str, Any]) -> bool:
    try:
        same = json.loads((folder / _IDENTITY_FILE).read_text(encoding="utf-8")) == identity
    except (OSError, ValueError):
        return False
    return same and not (folder / REPORT_FILE).exists()


def _open(file: Path) -> FileIO:
    """Open for appending, without a buffer; an unfinished line is cut off first."""
    stream = file.open("ab", buffering=0)
    stream.truncate(sum(len(line) + 1 for line in whole_lines(file)))
    return stream


def _line(key: _Key, row: Row, seconds: float) -> bytes:
    task, who, id, example = key
    facts: dict[str, Any] = {
        "task": task,
        "who": who,
        "id": id,
        "group": row.group,
        "expected": row.expected,
        "labels": row.labels,
        "response": row.response,
        "error": row.error,
        "wrote": row.wrote,
        "record": row.record,
        "work": row.work,
        "seconds": round(seconds, 3),
        "example": example,
    }
    # A lone surrogate, which UTF-8 cannot hold, becomes JSON's own escape.
    return json.dumps(finite(facts), ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def _read(file: Path) -> tuple[dict[_Key, Row], dict[tuple[str, str], float]]:
    """Return the saved rows, and the seconds of each column. Damaged lines are skipped and asked again."""
    rows: dict[_Key, Row] = {}
    seconds: dict[tuple[str, str], float] = {}
    for line in whole_lines(file):
        try:
            facts = json.loads(line)
            key = (facts["task"], facts["who"], facts["id"], facts["example"])
            rows[key] = _row(facts)
            seconds[key[:2]] = max(seconds.get(key[:2], 0.0), float(facts["seconds"]))
        except (ValueError, TypeError, KeyError, AttributeError):
            continue
    return rows, seconds


def _row(facts: Mapping[str, Any]) -> Row:
    record = facts["record"]
    return Row(
        id=facts["id"],
        group=facts["group"],
        record=None if record is None else {name: float(value) for name, value in record.items()},
        work={name: float(value) for name, value in facts["work"].items()},
        error=facts["error"],
        response=facts["response"],
        expected=tuple(facts["expected"]),
        labels=tuple(facts["labels"]),
        wrote=tuple(facts["wrote"]),
    )
