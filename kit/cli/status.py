"""`kit status`: show where every alias points, here or in a running service."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from kit.cli.shared.alias_lines import alias_lines
from kit.cli.shared.output import Output, kit_command
from kit.errors import Exit
from kit.workflows import list_aliases, service_state

if TYPE_CHECKING:
    from kit.workflows import ServiceState

_SHORT = 12


@kit_command("status", "kit status --url http://127.0.0.1:8000          # a running service")
@click.option("--url", help="Address of a running service to ask, in place of the project.")
def command(output: Output, url: str | None) -> int:
    """Show every alias: its bundle, since when, how good that bundle is, and the bundle before.

    With --url, ask a running service what it answers with. Exit code 3: it is not ready.
    """
    if url is not None:
        state = service_state(url)
        output.result(asdict(state), "\n".join(_lines(state)))
        return Exit.OK if state.ready else Exit.UNMEASURED
    found = list_aliases()
    text = "\n".join(map(alias_lines, found)) or "There are no aliases yet. Make one with: kit promote BUNDLE"
    output.result({"aliases": [asdict(each) for each in found]}, text)
    return Exit.OK


def _lines(state: ServiceState) -> list[str]:
    """Return what is wrong first, then aliases and models."""
    if not state.ready:
        return [f"Not ready: {state.url}. {state.reason}"]
    lines = [f"{alias} stays where it is: {reason}" for alias, reason in state.problems.items()]
    lines.append(f"Ready: {state.url}")
    lines += [f"{alias}: {bundle[:_SHORT]}" for alias, bundle in state.aliases.items()]
    for alias, trial in state.trials.items():
        counts = ", ".join(f"{name} {value}" for name, value in trial.items() if name not in ("bundle", "percent"))
        lines.append(f"On trial beside {alias}: {trial['bundle'][:_SHORT]} at {trial['percent']:g} % ({counts})")
    return [*lines, *(f"{id}: {model['bundle'][:_SHORT]}, {model['status']}" for id, model in state.models.items())]
