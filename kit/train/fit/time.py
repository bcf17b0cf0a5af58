"""How many steps fit the time: measured on the run's own first steps, whose gradients are thrown away."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import accumulate

from kit.data.rows import Row
from kit.train.state.checkpoint import random_state, set_random_state
from kit.train.step.optimiser import Optimiser

_PROBED = 3


def steps_within(minutes: float, optimiser: Optimiser, validation: Sequence[Row]) -> int:
    """Return how many of the plan's steps, and at least one, fit the time together with the validation passes.

    Time that a scorer takes is not counted: nothing is known of it. The model and the random states stay as they are.
    """
    plan = optimiser.plan
    before = random_state()
    rate = _tokens_per_second(optimiser)
    began = time.monotonic()
    optimiser.validation_loss(validation)
    measuring = (time.monotonic() - began) * (len(plan.evaluations) + 1)
    set_random_state(before)
    room = (minutes * 60 - measuring) * rate
    return max(1, sum(tokens <= room for tokens in accumulate(map(plan.step_computed, plan.steps))))


def _tokens_per_second(optimiser: Optimiser) -> float:
    """Time a few steps after a first one that pays for what is paid once; tokens are those that are computed."""
    plan = optimiser.plan
    first, *others = plan.steps[: _PROBED + 1]
    float(optimiser.accumulate(first)[0])
    steps = others or [first]
    began = time.monotonic()
    losses = [optimiser.accumulate(step)[0] for step in steps]
    float(losses[-1])
    seconds = time.monotonic() - began
    optimiser.adam.zero_grad()
    return sum(map(plan.step_computed, steps)) / seconds
