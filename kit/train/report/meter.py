"""Measure the speed of training and estimate the time that is left."""

from __future__ import annotations

import time
from collections import deque

_WINDOW_SECONDS = 60.0


class Meter:
    """Rates over the last minute of steps. Evaluations do not count in the rates, but in the time that is left."""

    def __init__(self, seconds_before: float = 0.0) -> None:
        self._started = time.monotonic() - seconds_before
        self._steps: deque[tuple[float, int, int, int]] = deque()
        self._pauses: list[float] = []
        self._resumed = time.monotonic()

    @property
    def seconds(self) -> float:
        """Wall time of the run so far, earlier sessions included."""
        return time.monotonic() - self._started

    def step(self, tokens: int, supervised: int, computed: int) -> None:
        """Count a finished step: the tokens of its rows, its supervised tokens, and its computed tokens."""
        now = time.monotonic()
        self._steps.append((now - self._resumed, tokens, supervised, computed))
        self._resumed = now
        while len(self._steps) > 1 and sum(step[0] for step in self._steps) > _WINDOW_SECONDS:
            self._steps.popleft()

    def pause(self) -> None:
        """Count the time since the last step as an evaluation."""
        now = time.monotonic()
        self._pauses.append(now - self._resumed)
        self._resumed = now

    def rates(self) -> tuple[float, float, float]:
        """Per second: tokens of rows, supervised tokens, and computed tokens."""
        seconds, *counts = map(sum, zip(*self._steps, strict=True)) if self._steps else (0.0, 0, 0, 0)
        tokens, supervised, computed = (count / seconds if seconds else 0.0 for count in counts)
        return tokens, supervised, computed

    def seconds_left(self, tokens: int, evaluations: int) -> float:
        """Estimate the seconds for this many tokens and evaluations from those that are done."""
        rate, *_ = self.rates()
        pause = sum(self._pauses) / len(self._pauses) if self._pauses else 0.0
        return (tokens / rate if rate else 0.0) + evaluations * pause
