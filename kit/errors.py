"""Errors that are sentences: what is wrong, where, and what to do next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of every command."""

    OK = 0
    BROKE = 1
    INPUT = 2
    UNMEASURED = 3
    GATE_FAILED = 4
    INTERRUPTED = 130
    TERMINATED = 143


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: what, where it is, and what to do next."""

    what: str
    where: str = ""
    next: str = ""

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        advice = f" {self.next}" if self.next else ""
        return f"{place}{self.what}{advice}"


class KitError(Exception):
    """A failure that the person at the keyboard can understand.

    Carries one or more problems; all of them are told at once. `code` is the exit code of the command.
    """

    code = Exit.BROKE

    def __init__(self, what: str | Sequence[Problem], where: str = "", next: str = "") -> None:
        self.problems = [Problem(what, where, next)] if isinstance(what, str) else list(what)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class InputError(KitError):
    """The user's own input is wrong (exit 2)."""

    code = Exit.INPUT


class UnfitRows(InputError):
    """Rows that would poison what they train, or that have nothing to learn from.

    To a check they are input like any other (exit 2); a run that meets them breaks (exit 1).
    """


class Unmeasured(KitError):
    """Something could not be measured (exit 3); never to be read as held."""

    code = Exit.UNMEASURED


class GateFailed(KitError):
    """A check was made and did not hold (exit 4)."""

    code = Exit.GATE_FAILED


class Refused(GateFailed):
    """A bundle is not what was tested, so it is not served (exit 4)."""


class MissingExtra(InputError):
    """An optional package is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed.", next=f"Install it with: pip install 'domainkit[{extra}]'")


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ' Did you mean …?' for the closest known word, or an empty string."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"Did you mean '{close[0]}'?" if close else ""
