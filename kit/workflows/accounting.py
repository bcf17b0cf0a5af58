"""What a service's requests used, by key, bundle and day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Group = Literal["day", "key", "bundle", "route", "outcome"]
DEFAULT_GROUPS: tuple[Group, ...] = ("day", "key", "bundle")


@dataclass(frozen=True)
class UsageRow:
    """What the requests of one group used together. `group` has the value of each name in `UsageReport.by`.

    `seconds` is the time of the requests, from the first call of the engine; `cost` is in the currency of the prices.
    """

    group: tuple[str, ...]
    requests: int
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    cost: float


@dataclass(frozen=True)
class UsageReport:
    """The rows of a ledger in groups, and their sum; `settled` requests of killed services were added just now."""

    by: tuple[str, ...]
    rows: tuple[UsageRow, ...]
    total: UsageRow
    place: str
    settled: int


def usage(
    project: str | Path = ".",
    *,
    by: Sequence[Group] = DEFAULT_GROUPS,
    since: str = "",
    until: str = "",
    key: str | None = None,
    state: str | Path | None = None,
    ledger: str | None = None,
) -> UsageReport:
    """Return what a ledger holds. `since` and `until` are days (UTC, such as 2026-01-31), both included.

    `state` is the folder of a service's state, and `ledger` the URL of its database; without them the environment and
    the project decide. Raises InputError if there is no ledger there, and KitError if its database does not answer.
    """
    from kit.workflows.steps.accounting import report

    return report(Path(project), tuple(by), since, until, key, None if state is None else Path(state), ledger)
