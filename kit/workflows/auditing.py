"""The audit log of a service: what is in it, and whether it was altered."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class AuditCheck:
    """What a look at the chain of entries found: their number, the last hash, and every fault with its line."""

    entries: int
    last: str
    faults: tuple[str, ...]


def verify_audit(project: str | Path = ".", *, state: str | Path | None = None, last: str = "") -> AuditCheck:
    """Check every entry of an audit log: that it was not changed, and that it follows the one before it.

    `state` is the folder of a service's state; without it the environment and the project decide. `last` is the hash of
    an entry that must be there. Raises KitError if there is no log.
    """
    from kit.workflows.steps.auditing import folder_of
    from serving.ledger.audit import verify

    found = verify(folder_of(Path(project), state), last)
    return AuditCheck(found.entries, found.last, found.faults)


def audit_entries(project: str | Path = ".", *, state: str | Path | None = None) -> tuple[dict[str, Any], ...]:
    """Return every entry of an audit log, the oldest first. Raises KitError if there is none."""
    from kit.workflows.steps.auditing import folder_of
    from serving.ledger.audit import entries

    return tuple(entries(folder_of(Path(project), state)))
