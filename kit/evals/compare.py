"""Compares base, tuned model and a classical baseline, worse metrics first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
    """A metric's value and its interval; None if not measured. `rows`: the number of rows."""

    value: float | None
    interval: Interval | None
    rows: int = 0


@dataclass(frozen=True)
class Line:
    """One metric for each measured column; None for a column that was not asked for.

    `change` is tuned minus base, `over_baseline` tuned minus the classical baseline, `over_few_shot` tuned minus the
    base with solved examples in its prompt; each is on the rows that both have.
    """

    metric: str
    description: str
    higher_is_better: bool
    tuned: Figure
    base: Figure | None = None
    baseline: Figure | None = None
    change: Change | None = None
    over_baseline: Change | None = None
    few_shot: Figure | None = None
    over_few_shot: Change | None = None

    @property
    def verdict(self) -> Verdict | None:
        """The effect of tuning on this metric; None if base and tuned cannot be compared."""
        return self.change.verdict if self.change else None


def compare(
    task: Task[Any, Any],
    tuned: Evaluation,
    base: Evaluation | None = None,
    baseline: Evaluation | None = None,
    resamples: int = 1000,
    seed: int = 0,
    few_shot: Evaluation | None = None,
) -> tuple[Line, ...]:
    """Return one line for each metric: those that got worse first, then the main metric, then the others.

    The other columns may be of a sample of the tuned model's examples. Raises InputError for other examples.
    """
    ids = {row.id for row in tuned.rows}
    for other in (base, baseline, few_shot):
        if other is not None and not ids.issuperset(row.id for row in other.rows):
            raise InputError("The evaluations are not of the same examples, so they cannot be compared.")
    draws = draw_groups([row.group for row in tuned.rows], resamples, seed)
    others = (base, baseline, few_shot)
    lines = [_line(name, metric, tuned, others, draws) for name, metric in metrics_of(task).items()]
    return tuple(sorted(lines, key=lambda line: line.verdict != "worse"))


def got_worse(lines: Sequence[Line]) -> list[str]:
    """Return the names of the metrics that tuning made worse."""
    return [line.metric for line in lines if line.verdict == "worse"]


def _line(name: str, metric: Metric, tuned: Evaluation, others: Iterable[Evaluation | None], draws: Draws) -> Line:
    """Compare one metric; `others` are the base, the classical baseline and few-shot."""
    groups = [row.group for row in tuned.rows]
    mine = tuned.records(name)

    def sampled(records: Sequence[Record | None]) -> Sampled:
        return sample(metric, groups, records, draws)

    tuned_sample = sampled(mine)

    def compared(other: Evaluation | None) -> tuple[Figure | None, Change | None]:
        """Return another column's figure, and tuned minus other on the rows that both have."""
        if other is None:
            return None, None
        theirs = _aligned(other, name, tuned)
        their_sample = sampled(theirs)
        first, second = in_both(theirs, mine)
        if (first, second) == (theirs, mine):  # the usual case: nothing is missing, so reuse the samples
            change = change_between(their_sample, tuned_sample, metric.higher_is_better)
        else:
            change = change_between(sampled(first), sampled(second), metric.higher_is_better)
        return figure_of(their_sample), change

    (base, change), (baseline, over_baseline), (few_shot, over_few_shot) = map(compared, others)
    return Line(
        metric=name,
        description=metric.description,
        higher_is_better=metric.higher_is_better,
        tuned=figure_of(tuned_sample),
        base=base,
        baseline=baseline,
        change=change,
        over_baseline=over_baseline,
        few_shot=few_shot,
        over_few_shot=over_few_shot,
    )


def _aligned(other: Evaluation, metric: str, tuned: Evaluation) -> list[Record | None]:
    """Return a column's records in the tuned model's order; None for an example that the column lacks."""
    records = dict(zip((row.id for row in other.rows), other.records(metric), strict=True))
    return [records.get(row.id) for row in tuned.rows]


def figure_of(sampled: Sampled) -> Figure:
    """Return a sampled metric's value, its interval, and the number of its rows."""
    return Figure(sampled.value, sampled.interval, sampled.rows)
