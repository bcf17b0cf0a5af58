"""Announces long work: one sentence before each part that may take more than two seconds."""

from __future__ import annotations

from collections.abc import Callable

Say = Callable[[str], None]
"""Gets a sentence about the part that starts now."""


def silent(_: str) -> None:
    """Say nothing."""
