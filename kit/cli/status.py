"""`kit status`: show where every alias points."""

from __future__ import annotations

from dataclasses import asdict

from kit.cli.shared.alias_lines import alias_lines
from kit.cli.shared.output import Output, kit_command
from kit.workflows import list_aliases


@kit_command("status", "kit status")
def command(output: Output) -> None:
    """Show every alias: its bundle, since when, how good that bundle is, and the bundle before."""
    found = list_aliases()
    text = "\n".join(map(alias_lines, found)) or "There are no aliases yet. Make one with: kit promote BUNDLE"
    output.result({"aliases": [asdict(state) for state in found]}, text)
