"""`kit runs`: what was trained here, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kit.cli.output import Output, kit_command, table, wrapped

if TYPE_CHECKING:
    from kit.project.runs import Run


@kit_command("runs", example="kit runs")
def command(output: Output) -> None:
    """List the project's runs, oldest first, each with its state, score and bundle."""
    from kit.project.project import Project
    from kit.project.runs import list_runs

    found = [_facts(run) for run in list_runs(Project.find().root)]
    if not found:
        output.result({"runs": []}, "There are no runs here yet. Make one with: kit train")
        return
    columns = ("run", "state", "recipe", "profile", "score", "step", "made")
    rows = [[_cell(name, facts[name]) for name in columns] for facts in found]
    bundles = [f"{facts['run']}: bundle {facts['bundle']}" for facts in found if facts["bundle"]]
    ends = [f"{facts['run']}: {facts['sentence']}" for facts in found if facts["sentence"]]
    ends += [f"{facts['run']}: not as asked: {facts['not_as_asked']}" for facts in found if facts["not_as_asked"]]
    output.result({"runs": found}, "\n".join([table(columns, rows), *bundles, wrapped(ends)]).rstrip())


def _facts(run: Run) -> dict[str, Any]:
    """What there is to know about a run; what it has not come to is None."""
    from kit.train.report.applied import read_facts, trouble

    status, report = run.status(), run.report() or {}
    return {
        "run": run.id,
        "state": status.state,
        "sentence": status.sentence,
        "recipe": _recipe_name(run),
        "profile": run.profile,
        "score": report.get("score"),
        "step": report.get("step"),
        "bundle": report.get("bundle"),
        "made": run.created,
        "not_as_asked": trouble(read_facts(run.folder) or ()),
    }


def _recipe_name(run: Run) -> str | None:
    """A run that an older or newer kit made may have a recipe that this one cannot read; it is listed all the same."""
    try:
        return run.recipe().name
    except (ValueError, OSError):
        return None


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if name == "made":  # UTC; the seconds are enough to tell runs apart
        return str(value)[:19].replace("T", " ")
    return f"{value:.3f}" if isinstance(value, float) else str(value)
