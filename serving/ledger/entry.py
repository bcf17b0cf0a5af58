"""One row of the ledger: what one request used of one bundle. It holds no word of a prompt or of an answer."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, get_args

Outcome = Literal["answered", "failed", "left", "crashed"]
"""How a request ended: with its answer, with an error, without its client, or with the whole service."""
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
ANONYMOUS = "anonymous"
_SHOWN_DIGITS = 12


@dataclass(frozen=True)
class Entry:
    """Who asks which bundle, and where. `name` is the bundle's own name, `key` the public id of the caller's key."""

    bundle: str
    name: str
    route: str
    request: str = ""
    key: str = ANONYMOUS
    id: str = field(default_factory=lambda: uuid.uuid4().hex)


@dataclass(frozen=True)
class Row:
    """A closed entry with what it used; `begun` is in seconds since 1970, `seconds` how long it took."""

    entry: Entry
    begun: float
    seconds: float
    prompt_tokens: int
    completion_tokens: int
    outcome: Outcome

    @property
    def day(self) -> str:
        """The day on which it began, in UTC."""
        return day_of(self.begun)


@dataclass(frozen=True)
class Used:
    """What some requests used together. `cost` is in the currency of the prices."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    cost: float = 0.0

    @property
    def tokens(self) -> int:
        """All tokens, read and written."""
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: Used) -> Used:
        return Used(
            self.requests + other.requests,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.seconds + other.seconds,
            self.cost + other.cost,
        )


def day_of(moment: float) -> str:
    """Return the day of a moment in UTC, such as 2026-01-31."""
    return datetime.fromtimestamp(moment, UTC).date().isoformat()


def pinned(name: str, digest: str) -> str:
    """Return a bundle's name with the beginning of its digest."""
    return f"{name}@{digest[:_SHOWN_DIGITS]}"
