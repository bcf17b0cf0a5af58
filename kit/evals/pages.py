"""A report in Markdown: a short form for a README, and a complete one for a page of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kit.evals.by_tag import Slice
from kit.evals.cells import (
    HARD,
    WORST_TAGS,
    Cells,
    asked_line,
    change_text,
    figure_text,
    heading,
    metric_text,
    tag_cells,
)
from kit.evals.compare import Line
from kit.evals.headline import headline
from kit.evals.report import TaskReport


def complete(report: TaskReport) -> str:
    """Return the findings, worst first, then the table of all metrics, then the worst tags and all hard cases."""
    tags = tag_table(report)
    tables = [_lines(page_table(report)), *([_lines(tags)] if tags else [])]
    return "\n\n".join([" ".join(headline(report)), *tables, notes_line(report)])


def short(report: TaskReport) -> str:
    """Return the findings, then one table: the main metric, every metric with a gate, the main metric on hard cases."""
    chosen = {report.main_metric, *(gate.metric for gate in report.gates)}
    headings, rows = page_table(report, [line for line in report.lines if line.metric in chosen])
    table = _lines((headings, [*rows, *_hard_rows(report, len(headings))]))
    return "\n\n".join([" ".join(headline(report)), table, notes_line(report)])


def page_table(report: TaskReport, lines: Sequence[Line] | None = None) -> Cells:
    """Return headings and rows, one row per metric; columns that were not measured are left out."""
    columns = [("metric", metric_text), *_figures(report), *_changes(report)]
    shown = report.lines if lines is None else lines
    return [name for name, _ in columns], [[cell(line) for _, cell in columns] for line in shown]


def tag_table(report: TaskReport) -> Cells | None:
    """Return headings and rows with intervals: the worst tags, and all hard cases. None without tags."""
    shown = [each for index, each in enumerate(report.slices) if index < WORST_TAGS or _is_hard(each)]
    return tag_cells(report, shown, figure_text) if shown else None


def notes_line(report: TaskReport) -> str:
    """Return what the figures are of: the examples, and those in the prompts of few-shot."""
    return " ".join([asked_line(report), *([report.shots.sentence] if report.shots else [])])


def _figures(report: TaskReport) -> list[tuple[str, Callable[[Line], str]]]:
    """Return the columns of figures that were measured: how good each model is."""
    columns: list[tuple[str, Callable[[Line], str]]] = []
    if report.base:
        columns.append((heading("base", report.base.rows, report), lambda line: figure_text(line.base)))
    if report.few_shot:
        columns.append((heading("few-shot", report.few_shot.rows, report), lambda line: figure_text(line.few_shot)))
    columns.append(("tuned", lambda line: figure_text(line.tuned)))
    if report.baseline:
        columns.append((report.baseline_name, lambda line: figure_text(line.baseline)))
    return columns


def _changes(report: TaskReport) -> list[tuple[str, Callable[[Line], str]]]:
    """Return the columns of differences: the tuned model minus each of the others that was measured."""
    columns: list[tuple[str, Callable[[Line], str]]] = []
    if report.base:
        columns.append(("tuned − base", lambda line: change_text(line.change)))
    if report.few_shot:
        columns.append(("tuned − few-shot", lambda line: change_text(line.over_few_shot)))
    if report.baseline:
        columns.append(("tuned − classical", lambda line: change_text(line.over_baseline)))
    return columns


def _hard_rows(report: TaskReport, width: int) -> list[list[str]]:
    """Return the main metric on hard cases, as rows of the short table; their differences stay empty."""
    _, rows = tag_cells(report, [each for each in report.slices if _is_hard(each)], figure_text)
    named = [[f"{report.main_metric}, {tag} ({count} examples)", *cells] for tag, count, *cells in rows]
    return [[*cells, *[""] * (width - len(cells))] for cells in named]


def _is_hard(each: Slice) -> bool:
    return each.tag.partition(":")[0] == HARD


def _lines(cells: Cells) -> str:
    headings, rows = cells
    return "\n".join(f"| {' | '.join(row)} |" for row in (headings, ["---"] * len(headings), *rows))
