"""Checks in words, for the commands that print them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kit.checks import Check

_WORDS = {"held": "ok", "failed": "FAILED", "warning": "warning", "unmeasured": "not measured"}
_SHOWN = 5


def check_lines(checks: Sequence[Check]) -> list[str]:
    """Return the lines of all checks. Checks that need another one are listed together under it."""
    waiting = {first.name: [each.name for each in checks if each.waits_for == first.name] for first in checks}
    lines = []
    for first in (each for each in checks if not each.waits_for):
        lines += _of_check(first)
        if waiting[first.name]:
            lines.append(f"{'':>14}Not measured without it: {', '.join(waiting[first.name])}.")
    return lines


def _of_check(check: Check) -> list[str]:
    state = "warning" if check.state == "failed" and not check.blocking else check.state
    problems = [str(problem) for problem in check.problems[:_SHOWN] if problem.what != check.what]
    more = len(check.problems) - _SHOWN
    return [
        f"{_WORDS[state]:>12}  {check.name}: {check.what}{_advice(check)}",
        *(f"{'':>14}{line}" for line in problems),
        *([f"{'':>14}… and {more} more."] if more > 0 else []),
    ]


def _advice(check: Check) -> str:
    return "".join(f" {problem.next}" for problem in check.problems if problem.what == check.what and problem.next)
