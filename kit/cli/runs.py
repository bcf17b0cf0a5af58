"""`kit runs`: lists the training runs and their results."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from kit.cli.runs_explain import explain
from kit.cli.shared.groups import Group
from kit.cli.shared.output import Output, table, wrapped
from kit.workflows import RunSummary, list_runs

_COLUMNS = ("run", "state", "recipe", "profile", "score", "step", "made")


@click.group("runs", cls=Group, invoke_without_command=True, epilog="\b\nExample:\n  kit runs\n  kit runs explain 120")
@click.option("--json", is_flag=True, expose_value=False, help="Print results and errors as JSON.")
@click.option("--debug", is_flag=True, expose_value=False, help="Show a traceback on errors.")
@click.pass_context
def command(context: click.Context) -> None:
    """List the project's runs, oldest first, each with its state, score and bundle.

    `kit runs explain STEP` shows the rows behind the loss of a step.
    """

    output = context.find_object(Output)
    if context.invoked_subcommand is None and output is not None:
        _show(output, list_runs())


command.add_command(explain)


def _show(output: Output, found: tuple[RunSummary, ...]) -> None:
    if not found:
        output.result({"runs": []}, "There are no runs here yet. Make one with: kit train")
        return
    runs = [asdict(run) for run in found]
    rows = [[_cell(name, run[name]) for name in _COLUMNS] for run in runs]
    bundles = [f"{run.run}: bundle {run.bundle}" for run in found if run.bundle]
    ends = [f"{run.run}: {run.sentence}" for run in found if run.sentence]
    ends += [f"{run.run}: not as asked: {run.not_as_asked}" for run in found if run.not_as_asked]
    output.result({"runs": runs}, "\n".join([table(_COLUMNS, rows), *bundles, wrapped(ends)]).rstrip())


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if name == "made":  # UTC; seconds are precise enough to distinguish runs
        return str(value)[:19].replace("T", " ")
    return f"{value:.3f}" if isinstance(value, float) else str(value)
