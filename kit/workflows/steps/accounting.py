"""Reads a ledger."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

from kit.errors import InputError
from kit.project.project import Project
from kit.workflows.accounting import Group, UsageReport, UsageRow
from kit.workflows.steps.service.state import VARIABLE, state_folder
from serving.ledger.database import SQLITE_FILE, Database, sqlite_url
from serving.ledger.entry import Used
from serving.ledger.ledger import settle
from serving.ledger.prices import Prices
from serving.settings_sources import resolve

_COLUMNS: dict[Group, tuple[str, ...]] = {
    "day": ("day",),
    "key": ("key_id",),
    "bundle": ("name", "bundle"),
    "route": ("route",),
    "outcome": ("outcome",),
}


def report(
    project: Path,
    by: tuple[Group, ...],
    since: str,
    until: str,
    key: str | None,
    state: Path | None,
    ledger: str | None,
) -> UsageReport:
    """Settle what killed services left, and return the sums of each group."""
    _check(by, since, until)
    settings = resolve({}).settings
    folder = state or settings.state or _folder_of(project, ledger or settings.ledger)
    url = ledger or settings.ledger or _sqlite(folder)
    database = Database(url)
    try:
        settled = _settled(folder, database, settings.prices)
        columns = [column for name in by for column in _COLUMNS[name]]
        found = database.sums(columns, since, until, key)
    finally:
        database.close()
    rows = [_row(_group(by, values), used) for values, used in found]
    total = _row((), sum((used for _, used in found), Used()))
    return UsageReport(by, tuple(rows), total, database.place, settled)


def _check(by: tuple[Group, ...], since: str, until: str) -> None:
    for option, day in (("--since", since), ("--until", until)):
        try:
            written = date.fromisoformat(day).isoformat() if day else ""
        except ValueError:
            written = None
        if written != day:
            raise InputError(f"'{day}' is no day.", option, "Write it as YEAR-MONTH-DAY, such as 2026-01-31.")
    if strange := [name for name in by if name not in _COLUMNS]:
        raise InputError(f"'{strange[0]}' is no group.", "--by", f"Choose from: {', '.join(_COLUMNS)}.")


def _folder_of(project: Path, url: str | None) -> Path | None:
    """Return the folder of the project's services; a database by its URL can be read without a project."""
    if url is not None and not (project / "recipe.yaml").is_file():
        return None
    return state_folder(Project.find(project).root)


def _sqlite(folder: Path | None) -> str:
    assert folder is not None
    if not (folder / SQLITE_FILE).is_file():
        advice = f"Serve first: kit serve. Or name the folder of a service's state: --state, or {VARIABLE}."
        raise InputError("There is no ledger here yet.", str(folder), advice)
    return sqlite_url(folder)


def _settled(folder: Path | None, database: Database, prices: Prices) -> int:
    """Add what killed services left in the folder, where this user may."""
    if folder is None or not folder.is_dir() or not os.access(folder, os.W_OK):
        return 0
    return settle(folder, database, prices)


def _group(by: tuple[Group, ...], values: tuple[str, ...]) -> tuple[str, ...]:
    """Return one value for each name of a group; a bundle is NAME@DIGEST."""
    left = list(values)
    return tuple("@".join(left.pop(0) for _ in _COLUMNS[name]) for name in by)


def _row(group: tuple[str, ...], used: Used) -> UsageRow:
    return UsageRow(
        group, used.requests, used.prompt_tokens, used.completion_tokens, round(used.seconds, 3), round(used.cost, 6)
    )
