"""Finds the clauses that overlap a part of a document, without a search through all of them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate

from .schema import Clause


class Clauses:
    """Clauses sorted by position."""

    def __init__(self, clauses: Sequence[Clause]) -> None:
        self.ordered = sorted(clauses, key=lambda clause: (clause.start, clause.end, clause.label))
        self._starts = [clause.start for clause in self.ordered]
        self._reached = list(accumulate((clause.end for clause in self.ordered), max))

    def meeting(self, start: int, end: int) -> list[Clause]:
        """Return the clauses that have a character in start…end, sorted by position."""
        near = self.ordered[bisect_right(self._reached, start) : bisect_left(self._starts, end)]
        return [clause for clause in near if clause.end > start]
