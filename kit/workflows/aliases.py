"""Point names at bundles: promote one, go back to the one before, and show where every name points."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PRODUCTION = "production"


@dataclass(frozen=True)
class AliasState:
    """An alias: its bundle since `since` (UTC, ISO 8601), and the bundle before; None if it is the first.

    `status` says whether the bundle is verified, or why not; `override` why it was promoted all the same.
    """

    alias: str
    bundle: str
    since: str
    before: str | None
    status: str
    override: str


def promote(
    bundle: str = "latest", alias: str = PRODUCTION, *, project: str | Path = ".", override: str = ""
) -> AliasState:
    """Point an alias at a bundle, after its files are verified. A running service follows within seconds.

    Raises InputError if there is no such bundle, and Refused if its files changed, or if not every gate was measured
    and held, unless `override` gives a reason, which is recorded.
    """
    from kit.workflows.steps.aliases import moved

    return moved(Path(project), bundle, alias, override)


def rollback(alias: str = PRODUCTION, *, project: str | Path = ".") -> AliasState:
    """Point an alias at the bundle that it had before; a second rollback goes forward again.

    Raises InputError if the alias does not exist or never pointed elsewhere, and Refused if the bundle's files changed.
    """
    from kit.workflows.steps.aliases import moved_back

    return moved_back(Path(project), alias)


def list_aliases(*, project: str | Path = ".") -> tuple[AliasState, ...]:
    """Return every alias of the project, by name."""
    from kit.workflows.steps.aliases import states

    return states(Path(project))
