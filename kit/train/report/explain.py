"""Find the rows that raised the loss of a step, by their own earlier losses, and whether the data changed since."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from kit.errors import InputError
from kit.train.report.recorder import RecordedStep, Recording

_BEFORE = 50
_SPIKE = 3.0  # standard deviations above the steps before

RowState = Literal["same", "changed", "gone"]


@dataclass(frozen=True)
class Suspect:
    """A row of the step. Losses are nats per supervised token.

    `usual` is the mean of the row's own earlier losses; if there are none (`seen` is 0), the mean over all rows of the
    steps before; None without earlier steps. `share` is how much the row raised the loss of the step above that.
    `standing` says whether the project's data still contain exactly this row.
    """

    example: str
    digest: str
    loss: float
    usual: float | None
    seen: int
    share: float
    standing: RowState


@dataclass(frozen=True)
class Explanation:
    """The loss of a step compared with the steps before it, and its rows; those that raised the loss most come first.

    `mean` and `deviation` describe the losses of the last `before` steps; None if there are too few.
    """

    step: int
    loss: float
    norm: float
    before: int
    mean: float | None
    deviation: float | None
    suspects: tuple[Suspect, ...]

    @property
    def spike(self) -> bool | None:
        """Whether the loss is an outlier; None if there are too few earlier steps."""
        if not math.isfinite(self.loss) or not math.isfinite(self.norm):
            return True
        if self.mean is None or self.deviation is None:
            return None
        return self.loss > self.mean + _SPIKE * self.deviation

    @property
    def changed(self) -> int:
        """Number of the step's rows that were changed or removed in the data since."""
        return sum(suspect.standing != "same" for suspect in self.suspects)


def explain(recording: Recording, step: int, digests: Mapping[str, set[str]]) -> Explanation:
    """Explain a recorded step. `digests` maps each example to the digests of its rows in the data as they are today.

    Raises InputError if the step was not recorded.
    """
    made = recording.steps.get(step)
    if made is None:
        raise InputError(f"Step {step} was not recorded.", next=_nearest(recording, step))
    earlier = [other for number, other in recording.steps.items() if number < step]
    recent = earlier[-_BEFORE:]
    losses = [other.loss for other in recent if math.isfinite(other.loss)]
    mean, deviation = (statistics.fmean(losses), statistics.stdev(losses)) if len(losses) > 1 else (None, None)
    suspects = sorted(_suspects(recording, made, earlier, recent, digests), key=_rank)
    return Explanation(step, made.loss, made.norm, len(recent), mean, deviation, tuple(suspects))


def _suspects(
    recording: Recording,
    made: RecordedStep,
    earlier: Sequence[RecordedStep],
    recent: Sequence[RecordedStep],
    digests: Mapping[str, set[str]],
) -> list[Suspect]:
    own = _losses_by_row(earlier)
    others = [loss for step in recent for loss in step.losses if math.isfinite(loss)]
    weight = sum(recording.rows[index].labels * recording.rows[index].weight for index in made.rows)
    suspects = []
    for index, loss in zip(made.rows, made.losses, strict=True):
        row, known = recording.rows[index], own.get(index, [])
        usual = statistics.fmean(known or others) if known or others else None
        share = (loss - (usual or 0.0)) * row.labels * row.weight / weight
        now = digests.get(row.example)
        standing: RowState = "gone" if now is None else "same" if row.digest in now else "changed"
        suspects.append(Suspect(row.example, row.digest, loss, usual, len(known), share, standing))
    return suspects


def _losses_by_row(steps: Sequence[RecordedStep]) -> dict[int, list[float]]:
    found: dict[int, list[float]] = {}
    for step in steps:
        for index, loss in zip(step.rows, step.losses, strict=True):
            if math.isfinite(loss):
                found.setdefault(index, []).append(loss)
    return found


def _rank(suspect: Suspect) -> tuple[bool, float]:
    """Sort rows with a loss that is not finite first."""
    return math.isfinite(suspect.loss), -suspect.share


def _nearest(recording: Recording, step: int) -> str:
    if not recording.steps:
        return "The run has no steps."
    near = sorted(sorted(recording.steps, key=lambda number: abs(number - step))[:2])
    return f"The nearest recorded steps: {', '.join(map(str, near))}; the last is {max(recording.steps)}."
