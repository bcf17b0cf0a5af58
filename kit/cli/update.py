"""`kit update`: bring a project to its template's newer version."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from kit.cli.shared.output import Output, kit_command
from kit.errors import Exit
from kit.workflows import plan_update, update

if TYPE_CHECKING:
    from kit.workflows import UpdateResult

_MEANINGS = (
    ("conflicts", "Both changed the same lines; look for <<<<<<< and choose"),
    ("deleted", "You deleted it, and the template changed it; it stays deleted"),
    ("kept", "The template no longer has it; it is yours now"),
    ("merged", "Merged with your changes"),
    ("updated", "Taken from the template"),
    ("added", "New in the template"),
    ("removed", "No longer in the template"),
)


@kit_command("update", "kit update --dry-run          # what would change")
@click.option("--dry-run", is_flag=True, help="Print what would change, and change nothing.")
def command(output: Output, dry_run: bool) -> int:
    """Merge the template's newer version into this project. Your own changes stay.

    Where both changed the same lines, the file gets conflict markers. Exit code 4: there are conflicts to resolve.
    """
    result = plan_update() if dry_run else update()
    output.result(asdict(result), _text(result, dry_run))
    return Exit.GATE_FAILED if result.conflicts else Exit.OK


def _text(result: UpdateResult, dry_run: bool) -> str:
    lines = [f"{meaning}: {', '.join(paths)}" for name, meaning in _MEANINGS if (paths := getattr(result, name))]
    if result.changes_nothing:
        return "\n".join([f"The project has all of the template '{result.template}' of {result.after}.", *lines])
    what = "Would bring" if dry_run else "Brought"
    head = f"{what} the project from the template '{result.template}' of {result.before} to that of {result.after}."
    return "\n".join([head, *lines, *([] if dry_run else ["Next: kit check"])])
