"""Whether an engine in other processes still answers: when it was last heard while requests waited for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Pulse:
    """Counts the requests that wait for an engine, and remembers when anything last came back; `clock` in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._waiting = 0
        self._heard = 0.0

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count a request while it waits."""
        if not self._waiting:
            self._heard = self._clock()
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1

    def heard(self) -> None:
        """Remember that the engine answered something."""
        self._heard = self._clock()

    @property
    def quiet(self) -> float:
        """Seconds since anything came back, or since a request began to wait alone."""
        return self._clock() - self._heard

    @property
    def silence(self) -> float:
        """Seconds since anything came back, if a request waits; else 0."""
        return self._clock() - self._heard if self._waiting else 0.0
