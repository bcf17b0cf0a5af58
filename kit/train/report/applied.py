"""What a run was asked to do and what it applied, read back from its own objects. Imports no heavy package.

`applied.json` in the run's folder has a list of facts, each with the `state` "ok", "differs" or "unknown". A fact that
could not be read back is unknown, never ok.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kit.checks import Outcome
from kit.system.files import write_atomically

APPLIED_FILE = "applied.json"
_WORDS: Mapping[Outcome, str] = {"held": "ok", "failed": "differs", "unmeasured": "unknown"}
_OUTCOMES: Mapping[str, Outcome] = {word: outcome for outcome, word in _WORDS.items()}


@dataclass(frozen=True)
class Fact:
    """One setting that can fail silently: what was asked, what was applied, and whether both agree."""

    name: str
    asked: str
    applied: str
    outcome: Outcome


def fact(name: str, asked: object, applied: object | None) -> Fact:
    """Compare both as text: equal holds, anything else fails, and None is unmeasured."""
    if applied is None:
        return Fact(name, str(asked), "could not be read back", "unmeasured")
    return Fact(name, str(asked), str(applied), "held" if str(asked) == str(applied) else "failed")


def write_facts(folder: Path, facts: Sequence[Fact]) -> None:
    """Write the facts of a run; a resumed run replaces those of the earlier session."""
    write_atomically(folder / APPLIED_FILE, json.dumps([_stored(fact) for fact in facts], indent=1) + "\n")


def read_facts(folder: Path) -> list[Fact] | None:
    """Return the facts of a run; None if it has none, because it ended before its first step or is too old."""
    file = folder / APPLIED_FILE
    try:
        return [_read(**each) for each in json.loads(file.read_text(encoding="utf-8"))]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError):
        return [Fact(APPLIED_FILE, "a list of facts", "a file that cannot be read", "unmeasured")]


def trouble(facts: Sequence[Fact]) -> str:
    """Return one line about all facts that are not ok; empty if all are."""
    odd = [fact for fact in facts if fact.outcome != "held"]
    return "; ".join(f"{fact.name} {_WORDS[fact.outcome]}: asked {fact.asked}, applied {fact.applied}" for fact in odd)


def _stored(fact: Fact) -> dict[str, str]:
    return {"name": fact.name, "asked": fact.asked, "applied": fact.applied, "state": _WORDS[fact.outcome]}


def _read(name: str, asked: str, applied: str, state: str) -> Fact:
    return Fact(name, asked, applied, _OUTCOMES[state])
