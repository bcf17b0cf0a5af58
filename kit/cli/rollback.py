"""`kit rollback`: point an alias at the bundle that it had before."""

from __future__ import annotations

from dataclasses import asdict

import click

from kit.cli.shared.alias_lines import alias_lines
from kit.cli.shared.output import Output, kit_command
from kit.workflows import rollback


@kit_command("rollback", "kit rollback          # production points at the bundle before")
@click.argument("alias", default="production")
def command(output: Output, alias: str) -> None:
    """Point ALIAS (default: production) at the bundle that it had before. A running service follows.

    A second rollback goes forward again.
    """
    state = rollback(alias)
    output.result(asdict(state), alias_lines(state))
