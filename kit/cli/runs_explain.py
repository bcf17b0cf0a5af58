"""`kit runs explain`: the rows behind a step's loss, with their place in the data and their text."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import click

from kit.cli.shared.output import Output, kit_command, table
from kit.workflows import ExplainedRow, StepExplanation, explain_step

_SHOWN = 8
_CHANGED = "changed since"
_COLUMNS = ("added", "loss", "usual", "seen before", "example", "place", "text")
_VERDICTS = {True: "It is a spike.", False: "It is not a spike.", None: "There are too few steps to call it a spike."}


@kit_command("explain", "kit runs explain 120")
@click.argument("step", type=click.IntRange(min=1))
@click.option("--run", default="latest", show_default=True, help="Id of the run, or a part of it.")
def explain(output: Output, step: int, run: str) -> None:
    """Show the rows behind the loss of STEP; rows that raised it most come first."""

    found = explain_step(step=step, run=run)
    output.result(_finite(_data(found)), "\n".join([f"Run {found.run}.", *_head(found), *_body(found)]))


def _data(found: StepExplanation) -> dict[str, Any]:
    rows = [{**asdict(row.suspect), "place": row.place, "text": row.text} for row in found.rows]
    judged = {"spike": found.step.spike, "changed": found.step.changed, "unread": found.unread}
    return {"run": found.run, **asdict(found.step), **judged, "suspects": rows}


def _head(found: StepExplanation) -> list[str]:
    step = found.step
    usual = (
        "there are too few steps before it to compare with"
        if step.mean is None
        else f"the {step.before} steps before: {step.mean:.3f} ± {step.deviation:.3f}"
    )
    lines = [f"Step {step.step}: loss {step.loss:.3f}, gradient {step.norm:.3g}; {usual}. {_VERDICTS[step.spike]}"]
    if found.unread:
        return [*lines, f"The data can no longer be read, so they are not compared: {found.unread}"]
    if step.changed:
        what = f"{step.changed} of its {len(found.rows)} rows differ from what was trained on"
        return [*lines, f"The data changed since: {what} (data, task or tokenizer)."]
    return [*lines, "The data have not changed since."]


def _body(found: StepExplanation) -> list[str]:
    more = len(found.rows) - _SHOWN
    lines = table(_COLUMNS, [_cells(row) for row in found.rows[:_SHOWN]])
    return [lines, *([f"… and {more} more rows."] if more > 0 else [])]


def _cells(row: ExplainedRow) -> tuple[str, ...]:
    suspect = row.suspect
    return (
        f"{suspect.share:+.3f}",
        f"{suspect.loss:.3f}",
        "-" if suspect.usual is None else f"{suspect.usual:.3f}",
        f"{suspect.seen} times" if suspect.seen else "never",
        suspect.example,
        row.place or "-",
        row.text or _CHANGED,
    )


def _finite(value: Any) -> Any:
    """Return the value with infinite and undefined numbers as words, because JSON has no such numbers."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
