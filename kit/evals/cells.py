"""The figures of an evaluation as text: a value and its interval, a difference and its verdict, a column's heading."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kit.evals.by_tag import Slice
from kit.evals.compare import Figure, Line
from kit.evals.report import TaskReport
from kit.metrics.intervals import LEVEL, Change

NOT_MEASURED = "not measured"
HARD = "hard"
"""The tag of hand-written hard cases; a kind of them is `hard:KIND`."""
LOWER = " (lower is better)"
WORST_TAGS = 5
"""How many tags a report shows, the worst first."""
Cells = tuple[list[str], list[list[str]]]
"""The headings of a table, and its rows."""


def metric_text(line: Line) -> str:
    """Return a metric's name, and that lower is better where it is."""
    return line.metric if line.higher_is_better else f"{line.metric}{LOWER}"


def figure_text(figure: Figure | None) -> str:
    """Return a value and its interval."""
    if figure is None or figure.value is None:
        return NOT_MEASURED
    spread = f" ({figure.interval.low:.3f}–{figure.interval.high:.3f})" if figure.interval else ""
    return f"{figure.value:.3f}{spread}"


def change_text(change: Change | None) -> str:
    """Return a difference, its interval and its verdict."""
    if change is None:
        return NOT_MEASURED
    spread = f" ({change.interval.low:+.3f} to {change.interval.high:+.3f})" if change.interval else ""
    verdict = f"{change.verdict}; about {change.needed} examples needed" if change.needed else change.verdict
    return f"{change.difference:+.3f}{spread}: {verdict}"


def heading(name: str, rows: Sequence[object], report: TaskReport) -> str:
    """Name a column, with the number of its examples if it has only a part of them."""
    return f"{name} ({len(rows)} examples)" if len(rows) < len(report.tuned.rows) else name


def asked_line(report: TaskReport) -> str:
    """Return one sentence on the number of examples and the kind of intervals."""
    rows = report.tuned.rows
    groups = len({row.group for row in rows})
    return f"{len(rows)} examples in {groups} groups; intervals at {LEVEL:.0%} resample groups."


def tag_cells(report: TaskReport, shown: Sequence[Slice], cell: Callable[[Figure | None], str]) -> Cells:
    """Return headings and rows of the main metric by tag, one column for each model that was measured."""
    columns: list[tuple[str, Callable[[Slice], str]]] = [
        (f"{report.main_metric} by tag", lambda each: each.tag),
        ("examples", lambda each: str(each.examples)),
    ]
    if report.base:
        columns.append(("base", lambda each: cell(each.base)))
    if report.few_shot:
        columns.append(("few-shot", lambda each: cell(each.few_shot)))
    columns.append(("tuned", lambda each: cell(each.tuned)))
    if report.baseline:
        columns.append(("classical", lambda each: cell(each.baseline)))
    return [name for name, _ in columns], [[show(each) for _, show in columns] for each in shown]
