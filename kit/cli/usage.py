"""`kit usage`: what requests used, by key, bundle and day."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kit.cli.shared.output import Output, kit_command, table
from kit.workflows import usage

if TYPE_CHECKING:
    from kit.workflows import UsageReport, UsageRow

_NUMBERS = ("requests", "prompt_tokens", "completion_tokens", "seconds", "cost")
_SHORT = 12


@kit_command("usage", "kit usage --since 2026-01-01 --by key --csv > january.csv")
@click.option(
    "--by", default="day,key,bundle", show_default=True, help="Groups: day, key, bundle, route, outcome; with commas."
)
@click.option("--since", default="", metavar="DAY", help="First day (UTC), such as 2026-01-31.")
@click.option("--until", default="", metavar="DAY", help="Last day (UTC).")
@click.option("--key", help="Only the requests of the key with this id.")
@click.option("--state", type=click.Path(path_type=Path), help="Folder of a service's state; default: the project's.")
@click.option("--ledger", metavar="URL", help="Database of the ledger; default: SQLite in the folder of the state.")
@click.option("--csv", "as_csv", is_flag=True, help="Print comma-separated values.")
def command(output: Output, by: str, as_csv: bool, **options: Any) -> None:
    """Show what the requests to a service used: tokens, seconds and cost.

    Aborted answers count with the tokens that were written, and so do those of a service that was killed.
    """
    found = usage(by=tuple(filter(None, by.split(","))), **options)  # type: ignore[arg-type]
    if found.settled:
        output.say(f"{found.settled} requests of a service that was killed were added.")
    output.result(asdict(found), (_csv if as_csv else _table)(found))


def _table(found: UsageReport) -> str:
    if not found.rows:
        return "No request was answered in this time."
    rows = [
        [*(_short(name, each) for name, each in zip(found.by, row.group, strict=True)), *_cells(row)]
        for row in found.rows
    ]
    if found.by:
        rows.append(["total", *("" for _ in found.by[1:]), *_cells(found.total)])
    return table([*found.by, *_NUMBERS], rows)


def _short(name: str, value: str) -> str:
    """Return a value of a group; of a bundle its name and the beginning of its digest."""
    front, _, digest = value.rpartition("@")
    return f"{front}@{digest[:_SHORT]}" if name == "bundle" else value


def _cells(row: UsageRow) -> list[str]:
    tokens = [f"{row.requests:,}", f"{row.prompt_tokens:,}", f"{row.completion_tokens:,}"]
    return [*tokens, f"{row.seconds:,.1f}", f"{row.cost:,.4f}"]


def _csv(found: UsageReport) -> str:
    """Return a header and the rows, without a total: a spreadsheet adds up by itself."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*found.by, *_NUMBERS])
    writer.writerows([*row.group, *(getattr(row, name) for name in _NUMBERS)] for row in found.rows)
    return text.getvalue().rstrip("\n")
