"""A range of a text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    """A half-open range of a text, in code points: `text[start:end]`."""

    start: int
    end: int
