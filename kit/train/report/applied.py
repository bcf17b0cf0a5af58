"""What was asked of a run and what was applied, read back from the objects that ran. Imports nothing heavy.

`applied.json` in the run's folder holds a list of facts. A fact that could not be read back is unknown, and never ok.
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
    """One thing that goes wrong silently elsewhere: what was asked, what was applied, and whether the two agree."""

    name: str
    asked: str
    applied: str
    state: State


def fact(name: str, asked: object, applied: object | None) -> Fact:
    """Compare in words: the same is ok, anything else differs, and nothing to compare with is unknown."""
    if applied is None:
        return Fact(name, str(asked), "could not be read back", "unknown")
    return Fact(name, str(asked), str(applied), "ok" if str(asked) == str(applied) else "differs")


def write_facts(folder: Path, facts: Sequence[Fact]) -> None:
    """Write a run's facts; a resumed run writes its own over those of the session before."""
    write_atomically(folder / APPLIED_FILE, json.dumps([asdict(fact) for fact in facts], indent=1) + "\n")


def read_facts(folder: Path) -> list[Fact] | None:
    """Return a run's facts, or None where it has none: it was made by another kit, or ended before its first step."""
    file = folder / APPLIED_FILE
    try:
        return [Fact(**each) for each in json.loads(file.read_text(encoding="utf-8"))]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError):
        return [Fact(APPLIED_FILE, "a list of facts", "a file that cannot be read", "unknown")]


def trouble(facts: Sequence[Fact]) -> str:
    """Return one line on everything that is not ok; empty where all of it is."""
    odd = [fact for fact in facts if fact.state != "ok"]
    return "; ".join(f"{fact.name} {fact.state}: asked {fact.asked}, applied {fact.applied}" for fact in odd)
