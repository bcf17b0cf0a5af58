"""Stop a run whose loss climbs far above its start: the learning rate is too high, and more steps only cost money."""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Iterable

from kit.train.job import RunBroke

WINDOW = 8
_FACTOR, _NATS = 1.5, 1.0


class Divergence:
    """Compares the mean loss of the last WINDOW steps with the base's validation loss.

    Without validation rows, it compares with the mean of the first WINDOW steps. A run diverges above 1.5 times that
    loss plus one nat: batches differ by less, and a run that learns nothing stays below.
    """

    def __init__(self, losses: Iterable[float] = ()) -> None:
        self._first: list[float] = []
        self._last: deque[float] = deque(maxlen=WINDOW)
        for loss in losses:
            self._add(loss)

    def see(self, step: int, loss: float, base: float | None) -> None:
        """Add the loss of a step. Raises RunBroke if the run diverges."""
        self._add(loss)
        if len(self._last) < WINDOW:
            return
        start = statistics.fmean(self._first) if base is None else base
        last = statistics.fmean(self._last)
        if last > _FACTOR * start + _NATS:
            what = f"Training diverges: the mean loss of the {WINDOW} steps up to step {step} is {last:.3g}"
            advice = f"Nothing was published. Lower train.learning_rate, or see: kit runs explain {step}"
            raise RunBroke(f"{what}; it was {start:.3g} at the start.", next=advice)

    def _add(self, loss: float) -> None:
        self._first = [*self._first, loss] if len(self._first) < WINDOW else self._first
        self._last.append(loss)
