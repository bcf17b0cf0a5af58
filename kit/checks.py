"""Checks before a run: each is held, failed or unmeasured. Unmeasured never counts as held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from kit.errors import Exit, KitError, Problem

Outcome = Literal["held", "failed", "unmeasured"]
"""The three outcomes of a check, a gate or a fact; "unmeasured" never counts as "held"."""


@dataclass(frozen=True)
class Check:
    """One check and its outcome. If `blocking` is false, a failure is a warning.

    `waits_for` names the check that must hold before this one can be measured.
    """

    name: str
    state: Outcome
    what: str
    problems: tuple[Problem, ...] = ()
    blocking: bool = True
    waits_for: str = ""

    @classmethod
    def of(cls, name: str, held: bool, right: str, wrong: str, *, next: str = "", blocking: bool = True) -> Check:
        """Return a check with the sentence `right` if it held, or `wrong` with advice if not."""
        if held:
            return cls(name, "held", right, blocking=blocking)
        return cls(name, "failed", wrong, (Problem(wrong, next=next),), blocking)

    @classmethod
    def listed(cls, name: str, problems: Sequence[Problem], right: str, *, blocking: bool = True) -> Check:
        """Return a check that held if there are no problems, and failed with all of them otherwise."""
        if not problems:
            return cls(name, "held", right, blocking=blocking)
        alone = len(problems) == 1 and not problems[0].where
        what = problems[0].what if alone else _count(len(problems))
        return cls(name, "failed", what, tuple(problems), blocking)

    @classmethod
    def failed(cls, name: str, error: KitError) -> Check:
        """Return a check that failed with an error's problems."""
        return cls(name, "failed", _count(len(error.problems)), tuple(error.problems))


def _count(problems: int) -> str:
    return "One problem." if problems == 1 else f"{problems} problems."


def exit_code(checks: Sequence[Check]) -> Exit:
    """A blocking failure outweighs an unmeasured check; a warning changes nothing."""
    if any(check.state == "failed" and check.blocking for check in checks):
        return Exit.INPUT
    return Exit.UNMEASURED if any(check.state == "unmeasured" for check in checks) else Exit.OK
