"""Facts that compare what the recipe asks with what training did. Imports nothing heavy.

`applied.json` in the run's folder is a list of facts. A fact that cannot be read back is unknown, never ok.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from kit.system.files import write_atomically

APPLIED_FILE = "applied.json"
State = Literal["ok", "differs", "unknown"]


@dataclass(frozen=True)
class Fact:
    """One setting that can fail silently: what was asked, what was applied, and whether both agree."""

    name: str
    asked: str
    applied: str
    state: State


def fact(name: str, asked: object, applied: object | None) -> Fact:
    """Compare both as text: equal is ok, anything else differs, and None is unknown."""
    if applied is None:
        return Fact(name, str(asked), "could not be read back", "unknown")
    return Fact(name, str(asked), str(applied), "ok" if str(asked) == str(applied) else "differs")


def write_facts(folder: Path, facts: Sequence[Fact]) -> None:
    """Write the facts of a run; a resumed run replaces those of the earlier session."""
    write_atomically(folder / APPLIED_FILE, json.dumps([asdict(fact) for fact in facts], indent=1) + "\n")


def read_facts(folder: Path) -> list[Fact] | None:
    """Return the facts of a run; None if it has none, because it ended before its first step or is too old."""
    file = folder / APPLIED_FILE
    try:
        return [Fact(**each) for each in json.loads(file.read_text(encoding="utf-8"))]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError):
        return [Fact(APPLIED_FILE, "a list of facts", "a file that cannot be read", "unknown")]


def trouble(facts: Sequence[Fact]) -> str:
    """Return one line about all facts that are not ok; empty if all are."""
    odd = [fact for fact in facts if fact.state != "ok"]
    return "; ".join(f"{fact.name} {fact.state}: asked {fact.asked}, applied {fact.applied}" for fact in odd)
