"""A run whose loss climbs far above where it began has a learning rate that diverges: going on only costs money."""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Iterable

from kit.train.job import RunBroke

WINDOW = 8
_FACTOR, _NATS = 1.5, 1.0


class Divergence:
    """Compares the mean loss of the last WINDOW steps with the base's validation loss.

    Where there is none, with the mean of the first WINDOW steps. The run is stopped above one and a half times that
    plus one nat: batches differ from one another by less, and a run that merely learns nothing stays below.
    """

    def __init__(self, losses: Iterable[float] = ()) -> None:
        self._first: list[float] = []
        self._last: deque[float] = deque(maxlen=WINDOW)
        for loss in losses:
            self._add(loss)

    def see(self, step: int, loss: float, base: float | None) -> None:
        """Count the loss of a step. Raises RunBroke where the run diverges."""
        self._add(loss)
        if len(self._last) < WINDOW:
            return
        began = statistics.fmean(self._first) if base is None else base
        last = statistics.fmean(self._last)
        if last > _FACTOR * began + _NATS:
            what = f"Training diverges: the loss of the {WINDOW} steps up to step {step} is {last:.3g}"
            advice = f"Nothing was published. Lower train.learning_rate, or see: kit runs explain {step}"
            raise RunBroke(f"{what}, and the base's is {began:.3g}.", next=advice)

    def _add(self, loss: float) -> None:
        self._first = [*self._first, loss] if len(self._first) < WINDOW else self._first
        self._last.append(loss)
