"""An alias in words, for the commands that move or show aliases."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kit.workflows import AliasState

_SHORT = 12


def alias_lines(state: AliasState) -> str:
    """Return the lines that say where an alias points, since when, and how good that bundle is."""
    since = state.since[:19].replace("T", " ")
    lines = [f"{state.alias}: {state.bundle[:_SHORT]} since {since} UTC", f"  {state.status}"]
    lines += [f"  Promoted all the same: {state.override}"] if state.override else []
    lines += [f"  On trial: {state.trial[:_SHORT]} answers {_part(state.percent)}"] if state.trial else []
    lines += [f"  Before: {state.before[:_SHORT]}"] if state.before else []
    return "\n".join(lines)


def _part(percent: float) -> str:
    return f"{percent:g} % of the clients" if percent else "copies that no client sees"
