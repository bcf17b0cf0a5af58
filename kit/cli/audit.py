"""`kit audit`: what was done to a service and its aliases, and whether that log was altered."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from kit.cli.shared.groups import Group, show_overview
from kit.cli.shared.output import Output, kit_command, table
from kit.errors import Exit
from kit.workflows import audit_entries, verify_audit

_STATE = click.option(
    "--state", type=click.Path(path_type=Path), help="Folder of a service's state; default: the project's."
)
_CHAIN = ("sequence", "at", "event", "by", "before", "hash")


@click.group("audit", cls=Group, invoke_without_command=True, epilog="\b\nExample:\n  kit audit verify")
@click.option("--json", is_flag=True, expose_value=False, help="Print results and errors as JSON.")
@click.option("--debug", is_flag=True, expose_value=False, help="Show a traceback on errors.")
@click.pass_context
def command(context: click.Context) -> None:
    """Show the audit log of a service, and verify that nobody altered it."""
    show_overview(context)


@kit_command("show", "kit audit show")
@_STATE
def show(output: Output, state: Path | None) -> None:
    """Show every entry of the log: starts, refusals, moves of aliases, and keys."""
    found = audit_entries(state=state)
    rows = [
        [str(each.get("sequence")), str(each.get("at"))[:19], str(each.get("event")), _rest(each)] for each in found
    ]
    output.result({"entries": list(found)}, table(("", "at", "event", "what"), rows))


@kit_command("verify", "kit audit verify --last 5c1e…")
@_STATE
@click.option("--last", default="", metavar="HASH", help="A hash that this command printed earlier.")
def verify(output: Output, state: Path | None, last: str) -> int:
    """Check that no entry of the log was changed, removed or added.

    Note the hash that it prints: with --last, a log whose end was cut off is found too. Exit code 4: it was altered.
    """
    found = verify_audit(state=state, last=last)
    if found.faults:
        output.result(asdict(found), "\n".join(["The audit log was altered.", *found.faults]))
        return Exit.GATE_FAILED
    output.result(asdict(found), f"All {found.entries} entries hold. Last hash: {found.last}")
    return Exit.OK


def _rest(entry: dict[str, Any]) -> str:
    """Return the facts of an entry and who did it."""
    facts = [f"{name}: {value}" for name, value in entry.items() if name not in _CHAIN and value not in (None, "", [])]
    return ", ".join([*facts, f"by {entry.get('by')}"])


command.add_command(show)
command.add_command(verify)
