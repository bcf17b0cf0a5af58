"""Record the loss of every row of every step in the run's folder. Imports nothing heavy.

`flight-rows.json`  the rows of the run: example, digest, supervised tokens, weight
`flight.jsonl`      one line per step: loss, norm of the gradient, row numbers, and one loss per row

A resumed run repeats the steps after its checkpoint; the last line of a step counts. The file has a maximum size.
Before it is exceeded, half of the older steps are removed: of each two in a row, the one with the smaller loss, so that
spikes are kept.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from kit.data.rows import Row
from kit.errors import InputError
from kit.system.files import write_atomically

MOST_BYTES = 32 * 1024**2
_STEPS, _ROWS = "flight.jsonl", "flight-rows.json"


@dataclass(frozen=True)
class RecordedRow:
    """A row of the run; `digest` is over its tokens, the start of its answer and its weight."""

    example: str
    digest: str
    labels: int
    weight: float


@dataclass(frozen=True)
class RecordedStep:
    """The figures of a step: losses in nats per supervised token, of the step and of each of its rows by number."""

    step: int
    loss: float
    norm: float
    rows: tuple[int, ...]
    losses: tuple[float, ...]


@dataclass(frozen=True)
class Recording:
    """The record of a run; `steps` by number, ascending."""

    rows: tuple[RecordedRow, ...]
    steps: Mapping[int, RecordedStep]


class StepRecorder:
    """Appends steps to the record of a run, which stays below `most_bytes`."""

    def __init__(self, folder: Path, rows: Sequence[Row], most_bytes: int = MOST_BYTES) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file, self._most = folder / _STEPS, most_bytes
        _write_rows(folder / _ROWS, rows)
        _drop_torn_line(self._file)
        self._size = self._file.stat().st_size if self._file.is_file() else 0

    def write(self, step: int, rows: Sequence[int], figures: Sequence[float]) -> None:
        """Append a step (counted from 1): loss, norm of the gradient, and then one loss per row."""
        loss, norm, *losses = figures
        line = _line(RecordedStep(step, loss, norm, tuple(rows), tuple(losses)))
        if self._size + len(line) > self._most:
            self._thin()
        with self._file.open("a", encoding="utf-8") as stream:
            stream.write(line)
        self._size += len(line)

    def losses(self, up_to: int) -> list[float]:
        """Return the losses of the recorded steps up to a step, in order."""
        return [made.loss for number, made in _read_steps(self._file).items() if number <= up_to]

    def _thin(self) -> None:
        steps = list(_read_steps(self._file).values())
        older, newer = steps[: len(steps) // 2], steps[len(steps) // 2 :]
        kept = [max(older[start : start + 2], key=_height) for start in range(0, len(older), 2)]
        text = "".join(map(_line, [*kept, *newer]))
        write_atomically(self._file, text)
        self._size = len(text)


def read_recording(folder: Path) -> Recording:
    """Return the record of a run. Raises InputError if there is none or it is damaged."""
    if not (folder / _ROWS).is_file():
        raise InputError("The run recorded no steps.", str(folder), "It ended before its first step, or is too old.")
    try:
        rows = json.loads((folder / _ROWS).read_text(encoding="utf-8"))
        return Recording(tuple(RecordedRow(*row) for row in rows), _read_steps(folder / _STEPS))
    except (ValueError, TypeError):
        raise InputError("The record of the run is damaged: a file was cut off or edited.", str(folder)) from None


def row_digest(row: Row) -> str:
    """Return the first 16 digits of a SHA-256 over everything that training uses of a row."""
    digest = hashlib.sha256(f"{row.answer_start}\0{row.weight!r}\0".encode())
    digest.update(array("q", row.ids).tobytes())
    return digest.hexdigest()[:16]


def _write_rows(file: Path, rows: Sequence[Row]) -> None:
    facts = [RecordedRow(row.example, row_digest(row), len(row.ids) - row.answer_start, row.weight) for row in rows]
    text = json.dumps([list(asdict(fact).values()) for fact in facts], ensure_ascii=False) + "\n"
    if not file.is_file() or file.read_text(encoding="utf-8") != text:
        write_atomically(file, text)


def _drop_torn_line(file: Path) -> None:
    """Remove an unfinished last line, which a killed process may leave; otherwise the next line would be damaged."""
    if not file.is_file():
        return
    with file.open("r+b") as stream:
        stream.truncate(stream.read().rfind(b"\n") + 1)


def _read_steps(file: Path) -> dict[int, RecordedStep]:
    lines = file.read_text(encoding="utf-8").split("\n")[:-1] if file.is_file() else []
    found = {}
    for line in lines:
        step, loss, norm, rows, losses = json.loads(line)
        found[step] = RecordedStep(step, float(loss), float(norm), tuple(rows), tuple(map(float, losses)))
    return dict(sorted(found.items()))


def _line(made: RecordedStep) -> str:
    """Return a step as a JSON line; JSON has no infinity and no NaN, so they are written as words."""
    losses = [_number(loss) for loss in made.losses]
    return json.dumps([made.step, _number(made.loss), _number(made.norm), made.rows, losses]) + "\n"


def _number(value: float) -> float | str:
    rounded = float(f"{value:.5g}")
    return rounded if abs(rounded) < float("inf") else str(rounded)


def _height(made: RecordedStep) -> float:
    """Return the loss of a step, infinite if it is not finite, to choose which steps to keep."""
    return made.loss if made.loss < float("inf") else float("inf")
