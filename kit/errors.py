"""Errors as sentences: what is wrong, where, and what to do next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

_SHORTEST_WORD = 3
_SHORT_WORD = 4


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
    """A failure with a message for the user.

    Has one or more problems, which are reported together. `code` is the exit code of the command.
    """

    code = Exit.BROKE

    def __init__(self, what: str | Sequence[Problem], where: str = "", next: str = "") -> None:
        self.problems = [Problem(what, where, next)] if isinstance(what, str) else list(what)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class InputError(KitError):
    """The user's own input is wrong (exit 2)."""

    code = Exit.INPUT


class UnfitRows(InputError):
    """Rows that would damage training, or that have nothing to learn from.

    A check reports them as wrong input (exit 2); a run that finds them breaks (exit 1).
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


class SigTerm(SystemExit):
    """The process got SIGTERM. The signal handler raises it, so that every `finally` and `with` still cleans up."""


class Interrupted(KitError):
    """The user pressed Ctrl-C (exit 130)."""

    code = Exit.INTERRUPTED


class Terminated(KitError):
    """The process got SIGTERM (exit 143)."""

    code = Exit.TERMINATED


def nearest(word: str, known: Iterable[str]) -> str:
    """Return "Did you mean '…'?" for a known word within a typing error of this one, or "".

    A wrong hint is worse than none. Two words are close if at most two letters differ; in words of up to four letters
    only one may differ, in long names an eighth of the letters. Options never allow more than two, because users may
    follow a hint about an option without thinking.
    """
    distances = {other: _letters_apart(word, other) for other in known if other != word}
    close = [other for other, distance in distances.items() if distance <= _most_apart(word, other)]
    return f"Did you mean '{min(close, key=distances.__getitem__)}'?" if close else ""


def _letters_apart(word: str, other: str) -> int:
    """Count the letters of the longer word that have no equal in the other, in order; case and dashes do not count."""
    first, second = (each.strip("-").casefold() for each in (word, other))
    blocks = difflib.SequenceMatcher(None, first, second, autojunk=False).get_matching_blocks()
    return max(len(first), len(second)) - sum(block.size for block in blocks)


def _most_apart(word: str, other: str) -> int:
    length = max(len(word.strip("-")), len(other.strip("-")))
    if len(word.strip("-")) < _SHORTEST_WORD:
        return 0
    if length <= _SHORT_WORD:
        return 1
    return 2 if word.startswith("-") else max(2, length // 8)
