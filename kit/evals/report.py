"""What an evaluation leaves behind: the attestation about a bundle, and a table to read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from kit.engines.base import Capabilities
from kit.evals.compare import Figure, Line, compare, got_worse
from kit.evals.gates import Gate, judge
from kit.evals.run import Evaluation
from kit.machine import machine_facts, version_facts
from kit.metrics.intervals import LEVEL, Change
from kit.recipe import EvalSection
from kit.task import Task

NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class TaskReport:
    """Everything that was measured about one task of a bundle. `baseline_name` names the classical baseline."""

    task: str
    tuned: Evaluation
    base: Evaluation | None
    lines: tuple[Line, ...]
    gates: tuple[Gate, ...]
    baseline_name: str


def report_on(
    task: Task[Any, Any],
    settings: EvalSection,
    tuned: Evaluation,
    base: Evaluation | None = None,
    baseline: Evaluation | None = None,
    thresholds: Mapping[str, float] | None = None,
) -> TaskReport:
    """Compare what was measured about a task and judge it by thresholds: the recipe's, unless others are given."""
    lines = compare(task, tuned, base, baseline, settings.resamples)
    gates = judge(task, lines, tuned, settings.gates if thresholds is None else thresholds)
    return TaskReport(task.name, tuned, base, lines, gates, getattr(task, "baseline_name", "baseline"))


def attestation(bundle: str, reports: Sequence[TaskReport], engine: Capabilities, data_digest: str) -> dict[str, Any]:
    """Return the JSON-able evaluation of a bundle: what was measured, on which data, by what, and which gates held.

    `data_digest` is the SHA-256 of the test data.
    """
    return {
        "bundle": bundle,
        "engine": asdict(engine),
        "machine": machine_facts(),
        "versions": version_facts(),
        "data": {"test": data_digest},
        "level": LEVEL,
        "tasks": [_task(report) for report in reports],
        "gates": [
            {**asdict(gate), "name": f"{report.task}: {gate.name}"} for report in reports for gate in report.gates
        ],
    }


def table(report: TaskReport) -> tuple[list[str], list[list[str]]]:
    """Return the headings and the rows of a report, for a terminal or a page; columns nobody asked for are left out."""
    columns = [("metric", [_name(line) for line in report.lines])]
    if any(line.base for line in report.lines):
        columns.append(("base", [_figure(line.base) for line in report.lines]))
    columns.append(("tuned", [_figure(line.tuned) for line in report.lines]))
    if any(line.baseline for line in report.lines):
        columns.append((report.baseline_name, [_figure(line.baseline) for line in report.lines]))
    if any(line.change for line in report.lines):
        columns.append(("tuned − base", [_change(line.change) for line in report.lines]))
        columns.append(("verdict", [_verdict(line.change) for line in report.lines]))
    headings = [heading for heading, _ in columns]
    return headings, [list(row) for row in zip(*(cells for _, cells in columns), strict=True)]


def markdown(report: TaskReport) -> str:
    """Return the report as a table in Markdown, with a line on what got worse before it and on what was asked after."""
    headings, rows = table(report)
    cells = [headings, ["---"] * len(headings), *rows]
    lines = [f"| {' | '.join(row)} |" for row in cells]
    return "\n".join([worse_line(report), "", *lines, "", asked_line(report)])


def worse_line(report: TaskReport) -> str:
    """Say in one sentence what tuning made worse; never more than was compared."""
    compared = [line for line in report.lines if line.change and line.change.interval]
    if not compared:
        return "What got worse was not measured."
    worse = got_worse(report.lines)
    return f"Got worse: {', '.join(worse)}." if worse else f"Nothing got worse that {len(compared)} metrics can tell."


def asked_line(report: TaskReport) -> str:
    """Say in one sentence how much was asked, and what of it could not be read or scored."""
    rows = report.tuned.rows
    groups = len({row.group for row in rows})
    text = f"{len(rows)} examples in {groups} groups; intervals at {LEVEL:.0%} resample groups."
    for name, evaluation in (("base", report.base), ("tuned", report.tuned)):
        if evaluation is not None and evaluation.unreadable:
            text += f" {name}: {evaluation.unreadable} answers could not be read, {evaluation.unscored} not be scored."
    return text


def _task(report: TaskReport) -> dict[str, Any]:
    tuned = report.tuned
    return {
        "task": report.task,
        "examples": len(tuned.rows),
        "groups": len({row.group for row in tuned.rows}),
        "tuned": _effort(tuned),
        "base": _effort(report.base) if report.base else None,
        "baseline": report.baseline_name,
        "got_worse": got_worse(report.lines),
        "metrics": [asdict(line) for line in report.lines],
    }


def _effort(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "unreadable": evaluation.unreadable,
        "unscored": evaluation.unscored,
        "answer_tokens": evaluation.answer_tokens,
        "seconds": round(evaluation.seconds, 3),
    }


def _name(line: Line) -> str:
    return line.metric if line.higher_is_better else f"{line.metric} (lower is better)"


def _figure(figure: Figure | None) -> str:
    if figure is None or figure.value is None:
        return NOT_MEASURED
    spread = f" ({figure.interval.low:.3f}–{figure.interval.high:.3f})" if figure.interval else ""
    return f"{figure.value:.3f}{spread}"


def _change(change: Change | None) -> str:
    if change is None:
        return NOT_MEASURED
    spread = f" ({change.interval.low:+.3f} to {change.interval.high:+.3f})" if change.interval else ""
    return f"{change.difference:+.3f}{spread}"


def _verdict(change: Change | None) -> str:
    if change is None:
        return NOT_MEASURED
    return f"{change.verdict}; about {change.needed} examples needed" if change.needed else change.verdict
