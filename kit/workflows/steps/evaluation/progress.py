"""Reports the progress of one model's answers, and warns once if the base will take long."""

from __future__ import annotations

import time

from kit.evals.measure import BASE
from kit.workflows.events import Counted, Note, Report

_LONG_SECONDS = 300.0
_FIRST = 4  # answers before the rest is estimated: the first one includes the engine's warm-up


class ColumnProgress:
    """A callback for each answer of a model. Its argument says whether the answer is new (not from a saved file)."""

    def __init__(self, report: Report, who: str, total: int) -> None:
        self._report, self._who, self._total = report, who, total
        self._began = time.monotonic()
        self._done = self._asked = 0
        self._warned = False

    def __call__(self, now: bool) -> None:
        """Report one answer."""
        self._done, self._asked = self._done + 1, self._asked + now
        self._report(Counted(f"Scoring {self._who}", self._done, self._total))
        if self._who != BASE or self._warned or self._asked < _FIRST:
            return
        left = (time.monotonic() - self._began) / self._asked * (self._total - self._done)
        if left > _LONG_SECONDS:
            self._warned = True
            self._report(Note(_slow(left)))


def _slow(seconds: float) -> str:
    return (
        f"The base needs about {seconds / 60:.0f} more minutes. After Ctrl-C, the saved answers are kept; then "
        "kit eval --base-limit 20 asks the base only 20 examples, and kit eval --no-base asks it none."
    )
