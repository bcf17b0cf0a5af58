"""Point names at bundles: promote one, go back to the one before, and show where every name points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kit.errors import InputError

PRODUCTION = "production"


@dataclass(frozen=True)
class AliasState:
    """An alias: its bundle since `since` (UTC, ISO 8601), and the bundle before; None if it is the first.

    `status` says whether the bundle is verified, or why not; `override` why it was promoted all the same. `trial` is
    the bundle on trial beside it, which answers `percent` of the clients' keys, or with 0 percent unseen copies.
    """

    alias: str
    bundle: str
    since: str
    before: str | None
    status: str
    override: str
    trial: str | None = None
    percent: float = 0.0


def promote(
    bundle: str = "latest",
    alias: str = PRODUCTION,
    *,
    project: str | Path = ".",
    override: str = "",
    percent: float | None = None,
    shadow: bool = False,
) -> AliasState:
    """Point an alias at a bundle, after its files are verified. A running service follows within seconds.

    With `percent` (more than 0, less than 100) the bundle answers only that share of the clients' keys beside the
    alias's own, and with `shadow` copies that no client sees: a trial, which another `promote` or a `rollback` ends.
    Raises InputError if there is no such bundle, and Refused if its files changed, or if not every gate was measured
    and held, unless `override` gives a reason, which is recorded.
    """
    from kit.workflows.steps.aliases import moved, tried

    if percent is not None and shadow:
        raise InputError("A bundle on trial answers a share or copies, not both.", next="Leave out one of them.")
    if percent is not None and not 0 < percent < 100:
        raise InputError(f"A share is more than 0 and less than 100 percent, not {percent:g}.", "--share")
    if percent is not None or shadow:
        return tried(Path(project), bundle, alias, override, percent or 0.0)
    return moved(Path(project), bundle, alias, override)


def rollback(alias: str = PRODUCTION, *, project: str | Path = ".") -> AliasState:
    """Point an alias at the bundle that it had before, or end its trial; a second rollback goes forward again.

    Raises InputError if the alias does not exist or never pointed elsewhere, and Refused if the bundle's files changed.
    """
    from kit.workflows.steps.aliases import moved_back

    return moved_back(Path(project), alias)


@dataclass(frozen=True)
class ServiceState:
    """What a running service says about itself: whether it is ready, and if not, why.

    `models` maps the id of each model to its bundle and status; `aliases` each alias to a bundle; `trials` to the
    bundle on trial, its share in percent and its counts; `problems` to the reason why it could not move.
    """

    url: str
    ready: bool
    reason: str = ""
    models: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    trials: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)


def service_state(url: str) -> ServiceState:
    """Ask a running service (GET /readyz). Raises InputError if nothing of ours answers there."""
    from kit.workflows.steps.aliases import asked

    return asked(url)


def list_aliases(*, project: str | Path = ".") -> tuple[AliasState, ...]:
    """Return every alias of the project, by name."""
    from kit.workflows.steps.aliases import states

    return states(Path(project))
