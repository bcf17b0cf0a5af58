"""What a workflow reports while it works. A caller that wants none of it passes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Note:
    """One sentence that a person should read: what begins now, or what was found."""

    sentence: str


@dataclass(frozen=True)
class Counted:
    """`done` of `total` things are done; `what` names them ("Scoring tuned")."""

    what: str
    done: int
    total: int


Report = Callable[[object], None]
"""Receives each event: a Note, a Counted, or (from training) one of `kit.train.events`. It may raise: the
workflow then ends with that exception. Where the caller's thread runs an event loop, as a notebook's does, another
thread may call it."""


def ignore(_: object) -> None:
    """Report nothing."""
