"""Intervals cover the true value as often as promised, resample groups, and need enough groups."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from kit.metrics.intervals import (
    LEAST_GROUPS,
    Change,
    Interval,
    change_between,
    draw_groups,
    in_both,
    sample,
    verdict_of,
)
from kit.metrics.reductions import mean_of
from kit.task import Metric, Record

Column = Sequence[Record | None]
MEAN = mean_of("x")
LOW_IS_GOOD = mean_of("x", higher_is_better=False)


def records(values: list[float]) -> list[Record]:
    return [{"x": value} for value in values]


def names(count: int, per_group: int = 1) -> list[str]:
    return [f"g{index // per_group}" for index in range(count)]


def bootstrap(metric: Metric, groups: list[str], rows: Column, resamples: int = 1000, seed: int = 0) -> Interval | None:
    return sample(metric, groups, rows, draw_groups(groups, resamples, seed)).interval


def paired_change(
    metric: Metric, groups: list[str], first: Column, second: Column, resamples: int = 1000
) -> Change | None:
    draws = draw_groups(groups, resamples)
    before, after = (sample(metric, groups, rows, draws) for rows in in_both(first, second))
    return change_between(before, after, metric.higher_is_better)


def normal(count: int, mean: float, seed: int, spread: float = 1.0) -> list[float]:
    chance = random.Random(seed)
    return [chance.gauss(mean, spread) for _ in range(count)]


def test_an_interval_covers_the_true_mean_about_as_often_as_it_says() -> None:
    covered = 0
    for seed in range(200):
        found = bootstrap(MEAN, names(40), records(normal(40, 5.0, seed)), resamples=200, seed=seed)
        assert found is not None
        covered += found.low <= 5.0 <= found.high
    assert 0.88 <= covered / 200 <= 0.99


def test_groups_are_drawn_whole() -> None:
    for draw in draw_groups(names(12, per_group=3), resamples=50):
        assert all(draw.count(index) == draw.count(index - index % 3) for index in range(12))
        assert len(draw) == 12


def test_rows_that_repeat_within_a_group_do_not_make_the_interval_narrower() -> None:
    values = normal(30, 0.0, seed=1)
    once = bootstrap(MEAN, names(30), records(values))
    tenfold = bootstrap(MEAN, names(300, per_group=10), records([value for value in values for _ in range(10)]))
    as_if_independent = bootstrap(MEAN, names(300), records([value for value in values for _ in range(10)]))
    assert once is not None
    assert tenfold is not None
    assert as_if_independent is not None
    assert tenfold.low == pytest.approx(once.low)
    assert tenfold.high == pytest.approx(once.high)
    assert as_if_independent.high - as_if_independent.low < (once.high - once.low) / 2


def test_the_same_seed_gives_the_same_interval_and_another_seed_another() -> None:
    rows = records(normal(25, 0.0, seed=2))
    assert bootstrap(MEAN, names(25), rows, seed=7) == bootstrap(MEAN, names(25), rows, seed=7)
    assert bootstrap(MEAN, names(25), rows, seed=7) != bootstrap(MEAN, names(25), rows, seed=8)


def test_too_few_groups_have_no_interval_however_many_rows_they_hold() -> None:
    few = LEAST_GROUPS - 1
    assert bootstrap(MEAN, names(few * 50, per_group=50), records(normal(few * 50, 0.0, seed=3))) is None
    assert bootstrap(MEAN, names(LEAST_GROUPS), records(normal(LEAST_GROUPS, 0.0, seed=3))) is not None


def test_a_metric_that_is_undefined_in_many_resamples_has_no_interval() -> None:
    rare: list[Record] = [{"x": 1.0}, *({} for _ in range(29))]
    assert bootstrap(MEAN, names(30), rare) is None


def test_missing_rows_do_not_count_as_groups() -> None:
    rows = [*records(normal(LEAST_GROUPS - 1, 0.0, seed=4)), *([None] * 30)]
    assert bootstrap(MEAN, names(len(rows)), rows) is None


def test_pairing_finds_a_small_steady_gain_that_two_intervals_miss() -> None:
    first = normal(60, 0.0, seed=5, spread=3.0)
    second = [value + gain for value, gain in zip(first, normal(60, 0.2, seed=6, spread=0.1), strict=True)]
    change = paired_change(MEAN, names(60), records(first), records(second))
    assert change is not None
    assert change.verdict == "better"
    assert change.needed is None
    assert change.difference == pytest.approx(0.2, abs=0.05)
    apart = [bootstrap(MEAN, names(60), records(rows)) for rows in (first, second)]
    assert apart[0] is not None
    assert apart[1] is not None
    assert apart[1].low < apart[0].high


def test_the_same_gain_is_a_loss_where_lower_is_better() -> None:
    first, second = normal(60, 0.0, seed=5), normal(60, 3.0, seed=6)
    up = paired_change(LOW_IS_GOOD, names(60), records(first), records(second))
    down = paired_change(LOW_IS_GOOD, names(60), records(second), records(first))
    assert up is not None
    assert down is not None
    assert (up.verdict, down.verdict) == ("worse", "better")


def test_no_difference_has_no_verdict_and_needs_no_number_of_rows() -> None:
    rows = records(normal(40, 0.0, seed=7))
    change = paired_change(MEAN, names(40), rows, rows)
    assert change is not None
    assert (change.difference, change.verdict, change.needed) == (0.0, "cannot tell", None)


def test_the_number_of_rows_said_to_be_needed_is_about_enough() -> None:
    def noisy(count: int, seed: int) -> tuple[list[Record], list[Record]]:
        first = normal(count, 0.0, seed)
        gains = normal(count, 0.25, seed + 1)
        return records(first), records([value + gain for value, gain in zip(first, gains, strict=True)])

    small = paired_change(MEAN, names(40), *noisy(40, seed=16))
    assert small is not None
    assert small.verdict == "cannot tell"
    assert small.needed is not None
    assert 40 < small.needed < 4000
    large = paired_change(MEAN, names(4 * small.needed), *noisy(4 * small.needed, seed=16), resamples=200)
    assert large is not None
    assert large.verdict == "better"


def test_a_difference_of_something_unmeasured_is_unmeasured() -> None:
    rows = records(normal(20, 0.0, seed=8))
    nothing: list[Record] = [{} for _ in range(20)]
    assert paired_change(MEAN, names(20), rows, nothing) is None
    assert paired_change(Metric(lambda found: float("nan")), names(20), rows, rows) is None


def test_only_rows_that_both_have_are_compared() -> None:
    first: list[Record | None] = [*records([0.0] * 20), *records([100.0] * 5)]
    second: list[Record | None] = [*records([1.0] * 20), *([None] * 5)]
    change = paired_change(MEAN, names(25), first, second)
    assert change is not None
    assert change.difference == 1.0


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        (Interval(0.1, 0.2), "better"), (Interval(-0.2, -0.1), "worse"), (Interval(-0.1, 0.1), "cannot tell"),
        (Interval(0.0, 0.1), "cannot tell"), (None, "cannot tell"),
    ],
)  # fmt: skip
def test_a_verdict_needs_an_interval_clear_of_zero(interval: Interval | None, verdict: str) -> None:
    assert verdict_of(interval, higher_is_better=True) == verdict
