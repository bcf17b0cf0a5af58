"""Find how many steps fit into a time limit, from the first steps of the run; their gradients are discarded."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import accumulate

from kit.data.rows import Row
from kit.train.state.checkpoint import random_state, set_random_state
from kit.train.step.optimiser import Optimiser

_PROBED = 3


def steps_within(minutes: float, optimiser: Optimiser, validation: Sequence[Row]) -> int:
    """Return how many steps of the plan, at least one, fit into the time together with the validation passes.

    The time of a scorer is unknown and does not count. Model and random states do not change.
    """
    plan = optimiser.plan
    before = random_state()
    rate = _tokens_per_second(optimiser)
    started = time.monotonic()
    optimiser.validation_loss(validation)
    measuring = (time.monotonic() - started) * (len(plan.evaluations) + 1)
    set_random_state(before)
    room = (minutes * 60 - measuring) * rate
    return max(1, sum(tokens <= room for tokens in accumulate(map(plan.step_computed, plan.steps))))


def _tokens_per_second(optimiser: Optimiser) -> float:
    """Time a few steps after a warm-up step, in computed tokens."""
    plan = optimiser.plan
    first, *others = plan.steps[: _PROBED + 1]
    float(optimiser.accumulate(first)[0])
    steps = others or [first]
    started = time.monotonic()
    losses = [optimiser.accumulate(step)[0] for step in steps]
    float(losses[-1])
    seconds = time.monotonic() - started
    optimiser.adam.zero_grad()
    return sum(map(plan.step_computed, steps)) / seconds
