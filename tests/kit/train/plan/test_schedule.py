"""The learning rate at every step: warm-up, then the schedule."""

from __future__ import annotations

from itertools import pairwise

import pytest

from kit.train.plan.schedule import Schedule, learning_rate, warmup_steps


def test_warm_up_rises_in_equal_steps_to_the_peak() -> None:
    rates = [learning_rate(1.0, "constant", step, warmup=3, steps=10) for step in range(5)]
    assert rates == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0])


@pytest.mark.parametrize(("schedule", "middle"), [("cosine", 0.5), ("linear", 0.5), ("constant", 1.0)])
def test_a_schedule_is_half_way_down_in_the_middle_and_never_negative(schedule: Schedule, middle: float) -> None:
    rates = [learning_rate(1.0, schedule, step, warmup=0, steps=100) for step in range(100)]
    assert rates[0] == 1.0
    assert rates[50] == pytest.approx(middle)
    assert all(before >= after > 0 for before, after in pairwise(rates))


def test_warm_up_is_rounded_up_and_leaves_a_step_at_the_peak() -> None:
    assert [warmup_steps(0.03, 100), warmup_steps(0.03, 10), warmup_steps(0.5, 1), warmup_steps(0, 10)] == [3, 1, 0, 0]
