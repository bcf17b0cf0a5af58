"""The learning rate as a pure function of the step."""

from __future__ import annotations

import math
from typing import Literal

Schedule = Literal["cosine", "linear", "constant"]


def warmup_steps(share: float, steps: int) -> int:
    """Return the number of warm-up steps: a share of all steps, rounded up, but never the last step."""
    return min(math.ceil(share * steps), steps - 1)


def learning_rate(peak: float, schedule: Schedule, step: int, warmup: int, steps: int) -> float:
    """Return the learning rate of a step (counted from 0).

    It rises linearly to `peak` over `warmup` steps, then stays constant or falls to 0 along a line or a half cosine.
    """
    if step < warmup:
        return peak * (step + 1) / (warmup + 1)
    done = (step - warmup) / (steps - warmup)
    if schedule == "cosine":
        return peak * 0.5 * (1 + math.cos(math.pi * done))
    return peak * (1 - done) if schedule == "linear" else peak
