"""Bootstrap intervals that resample groups, and paired differences with a verdict.

Rows of one group (one document, one customer) resemble each other, so groups are drawn, not rows. Percentile bootstrap
after Efron (1979); the group form is the cluster bootstrap of Davison and Hinkley (1997), section 3.8.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from kit.task import Metric, Record

LEVEL = 0.95
LEAST_GROUPS = 10  # with fewer, a percentile interval is much narrower than its level promises
_MOST_NEEDED = 1_000_000  # beyond this, the two are equal in practice
_MOST_UNDEFINED = 0.05  # share of resamples in which the metric may be undefined

Verdict = Literal["better", "worse", "cannot tell"]
Draws = Sequence[Sequence[int]]
Values = Sequence[float | None]


@dataclass(frozen=True)
class Interval:
    """The interval of a figure at the level `LEVEL`."""

    low: float
    high: float


@dataclass(frozen=True)
class Change:
    """The difference of two figures on the same rows: second minus first.

    `interval` is None with too few groups. `needed` estimates the rows for a clear verdict; None if the verdict is
    clear, or if no practical number is enough. `first` and `second` are the two figures on the `rows` that both have.
    """

    difference: float
    interval: Interval | None
    verdict: Verdict
    needed: int | None = None
    first: float = 0.0
    second: float = 0.0
    rows: int = 0


def value_of(metric: Metric, records: Iterable[Record | None]) -> float | None:
    """Return a metric over the records that are not None; None if it cannot be measured or is not finite."""
    value = metric.reduce([record for record in records if record is not None])
    return value if value is not None and math.isfinite(value) else None


def draw_groups(groups: Sequence[str], resamples: int = 1000, seed: int = 0) -> Draws:
    """Return row indices of each resample: as many groups as there are, drawn with replacement, with all their rows."""
    members: dict[str, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    rows = list(members.values())
    chance = random.Random(seed)
    return [[index for part in chance.choices(rows, k=len(rows)) for index in part] for _ in range(resamples)]


@dataclass(frozen=True)
class Sampled:
    """A metric over all rows, and in each resample; `rows` and `groups` count those with a record."""

    value: float | None
    resampled: Values
    rows: int
    groups: int

    @property
    def interval(self) -> Interval | None:
        """The percentile interval; None with fewer than LEAST_GROUPS groups, or undefined in many resamples."""
        return _interval(self.resampled, self.groups)


def sample(metric: Metric, groups: Sequence[str], records: Sequence[Record | None], draws: Draws) -> Sampled:
    """Compute a metric over rows and over every resample of them; rows without a record are left out."""
    return Sampled(
        value=value_of(metric, records),
        resampled=[value_of(metric, (records[index] for index in draw)) for draw in draws],
        rows=sum(record is not None for record in records),
        groups=len({group for group, record in zip(groups, records, strict=True) if record is not None}),
    )


def change_between(first: Sampled, second: Sampled, higher_is_better: bool) -> Change | None:
    """Compare two samples of the same rows with the same draws: second minus first. None if one cannot be measured."""
    if first.value is None or second.value is None:
        return None
    difference = second.value - first.value
    pairs = zip(first.resampled, second.resampled, strict=True)
    values = [two - one if one is not None and two is not None else None for one, two in pairs]
    interval = _interval(values, min(first.groups, second.groups))
    verdict = verdict_of(interval, higher_is_better)
    needed = _needed(difference, interval, first.rows)
    return Change(difference, interval, verdict, needed, first.value, second.value, first.rows)


def in_both(
    first: Sequence[Record | None], second: Sequence[Record | None]
) -> tuple[list[Record | None], list[Record | None]]:
    """Set every row that one column misses to None in both, so that both have the same rows."""
    both = [one is not None and two is not None for one, two in zip(first, second, strict=True)]
    return (
        [record if kept else None for record, kept in zip(first, both, strict=True)],
        [record if kept else None for record, kept in zip(second, both, strict=True)],
    )


def verdict_of(interval: Interval | None, higher_is_better: bool) -> Verdict:
    """Return the verdict from the interval of a difference."""
    if interval is None or interval.low <= 0 <= interval.high:
        return "cannot tell"
    return "better" if (interval.low > 0) == higher_is_better else "worse"


def _interval(values: Values, groups: int) -> Interval | None:
    known = sorted(value for value in values if value is not None)
    if groups < LEAST_GROUPS or not known or len(known) < (1 - _MOST_UNDEFINED) * len(values):
        return None
    tail = (1 - LEVEL) / 2
    return Interval(_quantile(known, tail), _quantile(known, 1 - tail))


def rows_needed(distance: float, reach: float, rows: int) -> int | None:
    """Estimate the rows that make an interval shorter than a distance: it shrinks with the square root of their number.

    `reach` is the length of the interval of `rows` rows on that side. None if no practical number is enough.
    """
    if distance == 0:
        return None
    exact: float = rows * (reach / distance) ** 2
    if not exact <= _MOST_NEEDED:
        return None
    step: int = 10 ** max(
        0, int(math.log10(max(exact, 1))) - 1
    )  # such an estimate deserves only two significant digits
    return math.ceil(exact / step) * step


def _needed(difference: float, interval: Interval | None, rows: int) -> int | None:
    if interval is None or difference == 0 or not interval.low <= 0 <= interval.high:
        return None
    reach = difference - interval.low if difference > 0 else interval.high - difference
    return rows_needed(difference, reach, rows)


def _quantile(ordered: Sequence[float], share: float) -> float:
    position = share * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)
