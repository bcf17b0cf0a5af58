"""A report to read in a terminal."""

from __future__ import annotations

from collections.abc import Callable

from kit.evals.by_label import label_scores
from kit.evals.cells import NOT_MEASURED, WORST_TAGS, Cells, asked_line, tag_cells
from kit.evals.compare import Figure, Line
from kit.evals.report import TaskReport
from kit.evals.run import Evaluation
from kit.metrics.intervals import Change, Interval

_WORST_LABELS = 5


def terminal_table(report: TaskReport) -> Cells:
    """Return headings and rows for a terminal: two lines per cell, the interval under its figure."""
    columns: list[tuple[str, str, Callable[[Line], str]]] = [("metric", "examples", _narrow_name)]
    columns.append(("tuned", _scored(report.tuned), lambda line: _two(line.tuned)))
    if report.base:
        columns.append(("base", _scored(report.base), lambda line: _one(line.base)))
        columns.append(("tuned − base", "", lambda line: _two_of_change(line.change, report)))
    if report.baseline:
        columns.append(("classical", _scored(report.baseline), lambda line: _one(line.baseline)))
        columns.append(("tuned − classical", "", lambda line: _two_of_change(line.over_baseline, report)))
    rows = [[first for _, first, _ in columns]]
    rows += [[cell(line) for _, _, cell in columns] for line in report.lines]
    return [heading for heading, _, _ in columns], rows


def few_shot_table(report: TaskReport) -> Cells | None:
    """Return headings and rows of the base with examples in its prompt, a table of its own; None if not measured."""
    if report.few_shot is None:
        return None
    rows = [["examples", _scored(report.few_shot), ""]]
    rows += [
        [_narrow_name(line), _one(line.few_shot), _two_of_change(line.over_few_shot, report)] for line in report.lines
    ]
    return ["metric", "few-shot", "tuned − few-shot"], rows


def notes(report: TaskReport) -> list[str]:
    """Return the notes under the terminal's table."""
    found = [asked_line(report)]
    if report.shots:
        found.append(report.shots.sentence)
    if report.baseline:
        found.append(f"classical: {report.baseline_name}.")
    for line in report.lines:
        changes = (("base", line.change), ("few-shot", line.over_few_shot), ("classical", line.over_baseline))
        for what, change in changes:
            if change is not None and change.needed:
                found.append(f"{line.metric}, tuned − {what}: about {change.needed} examples needed.")
    return found


def worst_labels(report: TaskReport) -> Cells | None:
    """Return headings and rows of the labels that the tuned model finds worst; None for a task without labels."""
    scores = label_scores(report.tuned.rows)
    if not scores:
        return None
    rows = [
        [score.label, f"{score.f1:.3f}", str(score.expected), str(score.hits), str(score.alarms)]
        for score in scores[:_WORST_LABELS]
    ]
    return ["worst labels", "F1", "expected", "right", "false alarms"], rows


def worst_tags(report: TaskReport) -> Cells | None:
    """Return headings and rows of the tags whose examples the tuned model answers worst; None without tags."""
    if not report.slices:
        return None
    return tag_cells(report, report.slices[:WORST_TAGS], _one)


# --- cells ------------------------------------------------------------------------------------------------------


def _scored(evaluation: Evaluation) -> str:
    """The number of scored examples in a column, and of all its examples."""
    count = len(evaluation.rows)
    return f"{count - evaluation.unscored} of {count}" if evaluation.unscored else str(count)


def _narrow_name(line: Line) -> str:
    return line.metric if line.higher_is_better else f"{line.metric}\n  lower is better"


def _two(figure: Figure) -> str:
    """A figure, and its interval below."""
    if figure.value is None:
        return "not\nmeasured"
    spread = figure.interval
    return f"{_short(figure.value)}\n{_short(spread.low)}–{_short(spread.high)}" if spread else _short(figure.value)


def _one(figure: Figure | None) -> str:
    return _short(figure.value) if figure is not None and figure.value is not None else "not\nmeasured"


def _two_of_change(change: Change | None, report: TaskReport) -> str:
    """A difference with its verdict; below, its interval, and the number of examples if it is a part of them."""
    if change is None:
        return NOT_MEASURED
    lines = [f"{_short(change.difference, '+')} {change.verdict}"]
    if change.interval is not None:
        lines.append(_signed(change.interval))
    if change.rows < len(report.tuned.rows):
        lines.append(f"on {change.rows} of both")
    return "\n".join(lines)


def _signed(interval: Interval) -> str:
    return f"{_short(interval.low, '+')} to {_short(interval.high, '+')}"


def _short(value: float, sign: str = "") -> str:
    """Four digits are enough to read, and keep the table narrow enough for a terminal."""
    size = abs(value)
    digits = 3 if size < 10 else 2 if size < 100 else 1 if size < 1000 else 0
    return f"{value:{sign}.{digits}f}" if size < 1e6 else f"{value:{sign}.2e}"
