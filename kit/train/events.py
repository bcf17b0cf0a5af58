"""What a run reports while it works: for the live line, and one JSON object per line in `metrics.jsonl`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from kit.train.report.applied import Fact


@dataclass(frozen=True)
class Began:
    """A part of the run began that may take more than a moment; `what` is a sentence for the person who waits."""

    what: str


@dataclass(frozen=True)
class Planned:
    """Training is about to begin, or to go on from `step`. Token counts are of the whole run.

    `tokens` are the rows', `computed` those that go through the model, with padding; `saved` those of rows that do not,
    since a step computes once what its rows begin with alike. `attention` says how, and where they share nothing why.
    `fused_layers`: how many parts of the base are computed in our way.
    `compute`: the type that they are computed in. `slower`: a sentence for each kind of part that is not computed in
    our way, since that does not come out the same in this type.
    """

    step: int
    steps: int
    tokens: int
    supervised: int
    trainable: int
    plan: str
    device: str
    threads: int
    computed: int
    saved: int
    attention: str
    fused_layers: int = 0
    compute: str = ""
    slower: tuple[str, ...] = ()


@dataclass(frozen=True)
class Probed:
    """The largest micro-batch was tried. Bytes: what it was thought to add, what it added, and what was free before.

    `predicted` is None where the base is of a kind that the formula does not know. `checkpointed`: whether layers are
    computed again in the backward pass.
    """

    tokens: int
    predicted: int | None
    added: int
    free: int | None
    seconds: float
    device: str
    machine: str
    checkpointed: bool = False


@dataclass(frozen=True)
class Stepped:
    """An optimiser step was made. `loss` is nats per supervised token over its rows; rates are of the last minute.

    `utilisation` is the model's share of what the GPU could compute, from 0 to 1; None where it is not known.
    """

    step: int
    steps: int
    loss: float
    gradient_norm: float
    learning_rate: float
    tokens_per_second: float
    supervised_per_second: float
    seconds_left: float
    utilisation: float | None = None


@dataclass(frozen=True)
class Evaluated:
    """The model was measured; `best` says whether this is the checkpoint to publish so far."""

    step: int
    steps: int
    validation_loss: float | None
    score: float | None
    scores: Mapping[str, float | None]
    best: bool


@dataclass(frozen=True)
class Saved:
    """A checkpoint is safe on disk."""

    step: int
    steps: int


@dataclass(frozen=True)
class StoppedEarly:
    """The run ended after this step because its evaluations no longer got better."""

    step: int
    steps: int


@dataclass(frozen=True)
class Audited:
    """The session's first step was compared with what was asked."""

    step: int
    facts: tuple[Fact, ...]


Event = Audited | Began | Planned | Probed | Stepped | Evaluated | Saved | StoppedEarly
Report = Callable[[Event], None]


class MetricsFile:
    """Appends events to a file of JSON lines.

    A resumed run repeats the steps after its checkpoint; the later line of a step is the one that counts.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path

    def write(self, event: Event) -> None:
        """Append one event with its kind and the time in seconds since 1970."""
        line = {"event": type(event).__name__.lower(), "time": round(time.time(), 3), **asdict(event)}
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")


class Reporter:
    """Passes events to the caller and to the run's `metrics.jsonl`; of several processes, the `active` one alone."""

    def __init__(self, folder: Path, report: Report, active: bool) -> None:
        self._metrics, self._report, self._active = MetricsFile(folder / "metrics.jsonl"), report, active

    def announce(self, what: str) -> None:
        """Say what begins, in a sentence for the person who waits; it is no fact of the run, so no file holds it."""
        if self._active:
            self._report(Began(what))

    def write(self, event: Event) -> None:
        """Write an event to the file, and pass it on."""
        if self._active:
            self._metrics.write(event)
            self._report(event)
