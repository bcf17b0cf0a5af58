"""A report to read: narrow for a terminal, and in Markdown for a page."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kit.evals.by_label import label_scores
from kit.evals.by_tag import Slice
from kit.evals.compare import Figure, Line
from kit.evals.headline import headline
from kit.evals.report import TaskReport
from kit.evals.run import Evaluation
from kit.metrics.intervals import LEVEL, Change, Interval

NOT_MEASURED = "not measured"
_WORST = 5
HARD = "hard"
"""The tag of hand-written hard cases; a kind of them is `hard:KIND`."""
_Cells = tuple[list[str], list[list[str]]]


def page_table(report: TaskReport) -> _Cells:
    """Return headings and rows for a page, one row per metric; columns that were not measured are left out."""
    columns: list[tuple[str, Callable[[Line], str]]] = [("metric", _name)]
    if report.base:
        columns.append((_heading("base", report.base.rows, report), lambda line: _figure(line.base)))
    columns.append(("tuned", lambda line: _figure(line.tuned)))
    if report.baseline:
        columns.append((report.baseline_name, lambda line: _figure(line.baseline)))
    if report.base:
        columns.append(("tuned − base", lambda line: _change(line.change)))
    if report.baseline:
        columns.append(("tuned − classical", lambda line: _change(line.over_baseline)))
    return [heading for heading, _ in columns], [[cell(line) for _, cell in columns] for line in report.lines]


def markdown(report: TaskReport) -> str:
    """Return the report in Markdown: the findings, worst first, then the table, then the number of examples."""
    lines = _page_lines(page_table(report))
    tags = tag_table(report)
    lines += ["", *_page_lines(tags)] if tags else []
    return "\n".join([" ".join(headline(report)), "", *lines, "", asked_line(report)])


def _page_lines(cells: _Cells) -> list[str]:
    headings, rows = cells
    return [f"| {' | '.join(row)} |" for row in (headings, ["---"] * len(headings), *rows)]


def terminal_table(report: TaskReport) -> _Cells:
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


def asked_line(report: TaskReport) -> str:
    """Return one sentence on the number of examples and the kind of intervals."""
    rows = report.tuned.rows
    groups = len({row.group for row in rows})
    return f"{len(rows)} examples in {groups} groups; intervals at {LEVEL:.0%} resample groups."


def notes(report: TaskReport) -> list[str]:
    """Return the notes under the terminal's table."""
    found = [asked_line(report)]
    if report.baseline:
        found.append(f"classical: {report.baseline_name}.")
    for line in report.lines:
        for what, change in (("base", line.change), ("classical", line.over_baseline)):
            if change is not None and change.needed:
                found.append(f"{line.metric}, tuned − {what}: about {change.needed} examples needed.")
    return found


def worst_labels(report: TaskReport) -> _Cells | None:
    """Return headings and rows of the labels that the tuned model finds worst; None for a task without labels."""
    scores = label_scores(report.tuned.rows)
    if not scores:
        return None
    rows = [
        [score.label, f"{score.f1:.3f}", str(score.expected), str(score.hits), str(score.alarms)]
        for score in scores[:_WORST]
    ]
    return ["worst labels", "F1", "expected", "right", "false alarms"], rows


def worst_tags(report: TaskReport) -> _Cells | None:
    """Return headings and rows of the tags whose examples the tuned model answers worst; None without tags."""
    if not report.slices:
        return None
    return _tag_cells(report, report.slices[:_WORST], _one)


def tag_table(report: TaskReport) -> _Cells | None:
    """Return headings and rows for a page, with intervals: the worst tags, and all hard cases. None without tags."""
    shown = [each for index, each in enumerate(report.slices) if index < _WORST or each.tag.partition(":")[0] == HARD]
    return _tag_cells(report, shown, _figure) if shown else None


def _tag_cells(report: TaskReport, shown: Sequence[Slice], cell: Callable[[Figure | None], str]) -> _Cells:
    columns: list[tuple[str, Callable[[Slice], str]]] = [
        (f"{report.main_metric} by tag", lambda each: each.tag),
        ("examples", lambda each: str(each.examples)),
    ]
    if report.base:
        columns.append(("base", lambda each: cell(each.base)))
    columns.append(("tuned", lambda each: cell(each.tuned)))
    if report.baseline:
        columns.append(("classical", lambda each: cell(each.baseline)))
    return [heading for heading, _ in columns], [[show(each) for _, show in columns] for each in shown]


# --- cells ------------------------------------------------------------------------------------------------------


def _heading(name: str, rows: Sequence[object], report: TaskReport) -> str:
    """Name a column, with the number of its examples if it has only a part of them."""
    return f"{name} ({len(rows)} examples)" if len(rows) < len(report.tuned.rows) else name


def _scored(evaluation: Evaluation) -> str:
    """The number of scored examples in a column, and of all its examples."""
    count = len(evaluation.rows)
    return f"{count - evaluation.unscored} of {count}" if evaluation.unscored else str(count)


def _name(line: Line) -> str:
    return line.metric if line.higher_is_better else f"{line.metric} (lower is better)"


def _narrow_name(line: Line) -> str:
    return line.metric if line.higher_is_better else f"{line.metric}\n  lower is better"


def _figure(figure: Figure | None) -> str:
    if figure is None or figure.value is None:
        return NOT_MEASURED
    spread = f" ({figure.interval.low:.3f}–{figure.interval.high:.3f})" if figure.interval else ""
    return f"{figure.value:.3f}{spread}"


def _change(change: Change | None) -> str:
    if change is None:
        return NOT_MEASURED
    spread = f" ({change.interval.low:+.3f} to {change.interval.high:+.3f})" if change.interval else ""
    verdict = f"{change.verdict}; about {change.needed} examples needed" if change.needed else change.verdict
    return f"{change.difference:+.3f}{spread}: {verdict}"


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
        return "not measured"
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
