"""The events that a workflow reports while it works; by default they are ignored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Note:
    """A sentence for the user: what starts now, or what was found."""

    sentence: str


@dataclass(frozen=True)
class Counted:
    """`done` of `total` things are done; `what` names them ("Scoring tuned")."""

    what: str
    done: int
    total: int


Report = Callable[[object], None]
"""A callback that receives each event: a Note, a Counted, or (from training) one of `kit.train.events`. If it raises,
the workflow ends with that exception. In a notebook, or wherever an event loop runs, another thread may call it."""


def ignore(_: object) -> None:
    """Report nothing."""
