"""A run whose loss climbs far above where it began has a learning rate that diverges: going on only costs money."""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Iterable

from kit.train.job import RunBroke

WINDOW = 8
_FACTOR, _NATS = 1.5, 1.0


class Divergence:
    """Compares the mean loss of the last steps with that of the first ones, both over WINDOW steps.

    It is stopped above one and a half times the first mean plus one nat: batches differ from one another by less, and a
    run that merely learns nothing stays below.
    """

    def __init__(self, losses: Iterable[float] = ()) -> None:
        self._first: list[float] = []
        self._last: deque[float] = deque(maxlen=WINDOW)
        for loss in losses:
            self._add(loss)

    def see(self, step: int, loss: float) -> None:
        """Count the loss of a step. Raises RunBroke where the run diverges."""
        self._add(loss)
        if len(self._first) < WINDOW or len(self._last) < WINDOW:
            return
        first, last = statistics.fmean(self._first), statistics.fmean(self._last)
        if last > _FACTOR * first + _NATS:
            what = f"Training diverges: the loss of the {WINDOW} steps up to step {step} is {last:.3g}"
            advice = f"Nothing was published. Lower train.learning_rate, or see: kit train --explain {step}"
            raise RunBroke(f"{what}, and it began with {first:.3g}.", next=advice)

    def _add(self, loss: float) -> None:
        if len(self._first) < WINDOW:
            self._first.append(loss)
        else:
            self._last.append(loss)
