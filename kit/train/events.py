"""Progress events of a run: for the live line, and one JSON object per line in `metrics.jsonl`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from kit.train.report.applied import Fact


@dataclass(frozen=True)
class PhaseStarted:
    """A phase of the run starts that may take more than a moment; `what` is a sentence for the person who waits."""

    what: str


@dataclass(frozen=True)
class Planned:
    """Training is about to start, or to continue after `step`. Token counts are of the whole run.

    `tokens` counts the tokens of the rows, `computed` those that go through the model, with padding; `saved` those
    that are not computed because a step computes a shared prefix only once. `attention` names the attention kernel, or
    says why rows do not share prefixes. `fused_layers` counts the modules of the base that use our faster code, and
    `slower` has a sentence for each kind of module that does not, because the result would differ in the type
    `compute`.
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
    """The largest micro-batch was tried. In bytes: the predicted and the measured increase, and the free memory before.

    `predicted` is None if the formula does not cover the base. `checkpointed`: whether gradient checkpointing is on.
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
    """An optimiser step is done. `loss` is nats per supervised token over its rows; rates are of the last minute.

    `utilisation` is the model FLOP utilisation of the GPU, from 0 to 1; None if unknown.
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
    """The model was evaluated; `best` says whether this is the best checkpoint so far."""

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
    """The run ended after this step because its evaluations no longer improved."""

    step: int
    steps: int


@dataclass(frozen=True)
class Audited:
    """The first step of the session was compared with the recipe."""

    step: int
    facts: tuple[Fact, ...]


Event = Audited | PhaseStarted | Planned | Probed | Stepped | Evaluated | Saved | StoppedEarly
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
    """Passes events to the caller and to the run's `metrics.jsonl`; only the `active` process does so."""

    def __init__(self, folder: Path, report: Report, active: bool) -> None:
        self._metrics, self._report, self._active = MetricsFile(folder / "metrics.jsonl"), report, active

    def announce(self, what: str) -> None:
        """Report to the caller which phase starts. This is not a result of the run, so the file does not get it."""
        if self._active:
            self._report(PhaseStarted(what))

    def write(self, event: Event) -> None:
        """Write an event to the file and pass it to the caller."""
        if self._active:
            self._metrics.write(event)
            self._report(event)
