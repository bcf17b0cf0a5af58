"""Base, tuned and a classical baseline side by side, what got worse first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kit.errors import InputError
from kit.evals.run import Evaluation, metrics_of
from kit.metrics.intervals import (
    Change,
    Draws,
    Interval,
    Sampled,
    Verdict,
    change_between,
    draw_groups,
    in_both,
    sample,
)
from kit.task import Metric, Record, Task


@dataclass(frozen=True)
class Figure:
    """A metric's value and its interval; either is None where it could not be measured."""

    value: float | None
    interval: Interval | None


@dataclass(frozen=True)
class Line:
    """One metric of everything that was measured; None for what was not asked. `change` is tuned less base."""

    metric: str
    description: str
    higher_is_better: bool
    tuned: Figure
    base: Figure | None = None
    baseline: Figure | None = None
    change: Change | None = None

    @property
    def verdict(self) -> Verdict | None:
        """What tuning did to this metric; None where base and tuned cannot be compared."""
        return self.change.verdict if self.change else None


def compare(
    task: Task[Any, Any],
    tuned: Evaluation,
    base: Evaluation | None = None,
    baseline: Evaluation | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[Line, ...]:
    """Return one line for each metric: those that got worse first, then the main metric, then the others.

    Raises InputError where the evaluations are not of the same examples.
    """
    for other in (base, baseline):
        if other is not None and [row.id for row in other.rows] != [row.id for row in tuned.rows]:
            raise InputError("The evaluations are not of the same examples, so they cannot be compared.")
    draws = draw_groups([row.group for row in tuned.rows], resamples, seed)
    lines = [_line(name, metric, tuned, base, baseline, draws) for name, metric in metrics_of(task).items()]
    return tuple(sorted(lines, key=lambda line: line.verdict != "worse"))


def got_worse(lines: Sequence[Line]) -> list[str]:
    """Return the names of the metrics that tuning made worse."""
    return [line.metric for line in lines if line.verdict == "worse"]


def _line(
    name: str, metric: Metric, tuned: Evaluation, base: Evaluation | None, baseline: Evaluation | None, draws: Draws
) -> Line:
    groups = [row.group for row in tuned.rows]

    def sampled(records: Sequence[Record | None]) -> Sampled:
        return sample(metric, groups, records, draws)

    def change() -> Change | None:
        if base is None or base_sample is None:
            return None
        before, after = base.records(name), tuned.records(name)
        shared = in_both(before, after)
        if shared == (before, after):  # the usual case: nothing is missing, so nothing is computed twice
            return change_between(base_sample, tuned_sample, metric.higher_is_better)
        return change_between(sampled(shared[0]), sampled(shared[1]), metric.higher_is_better)

    tuned_sample = sampled(tuned.records(name))
    base_sample = sampled(base.records(name)) if base is not None else None
    return Line(
        metric=name,
        description=metric.description,
        higher_is_better=metric.higher_is_better,
        tuned=_figure(tuned_sample),
        base=_figure(base_sample) if base_sample is not None else None,
        baseline=_figure(sampled(baseline.records(name))) if baseline is not None else None,
        change=change(),
    )


def _figure(sampled: Sampled) -> Figure:
    return Figure(sampled.value, sampled.interval)
