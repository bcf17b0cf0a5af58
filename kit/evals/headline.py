"""Summarises an evaluation in sentences, the worst first, for readers who read nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from kit.bundle.attestation import gate_sentence
from kit.evals.compare import Line
from kit.evals.report import TaskReport
from kit.metrics.intervals import Change

_SHOWN = 5
_FEW_SHOT = "The base with examples in its prompt"


@dataclass(frozen=True)
class Rival:
    """A model or method to compare with: its name in a sentence, and the change of each metric over it."""

    name: str
    changes: tuple[tuple[str, Change], ...]

    def named(self, verdict: str) -> list[tuple[str, Change]]:
        """Return the metrics with this verdict on the tuned model."""
        return [(metric, change) for metric, change in self.changes if change.verdict == verdict]


def headline(report: TaskReport) -> list[str]:
    """Return the findings, one sentence each: failures, better rivals, untested labels, then the rest."""
    return [
        *_gates(report, "failed"),
        *_better(report),
        *_untested(report),
        *_left_out(report),
        *_gates(report, "unmeasured"),
        *_main_metric(report),
    ]


def rivals_of(report: TaskReport) -> list[Rival]:
    """Return the rivals of the tuned model, the classical method first."""
    classical = _changes((line, line.over_baseline) for line in report.lines)
    few_shot = _changes((line, line.over_few_shot) for line in report.lines)
    base = _changes((line, line.change) for line in report.lines)
    found = [
        ("The classical method", report.baseline, classical),
        (_FEW_SHOT, report.few_shot, few_shot),
        ("The base", report.base, base),
    ]
    return [Rival(name, changes) for name, evaluation, changes in found if evaluation is not None]


def _changes(pairs: Iterable[tuple[Line, Change | None]]) -> tuple[tuple[str, Change], ...]:
    return tuple((line.metric, change) for line, change in pairs if change is not None and change.interval is not None)


def _gates(report: TaskReport, outcome: str) -> list[str]:
    return [gate_sentence(asdict(gate)) for gate in report.gates if gate.outcome == outcome]


def _better(report: TaskReport) -> list[str]:
    """Name every rival that is better on something, the main metric first."""
    found = []
    for rival in rivals_of(report):
        worse = sorted(rival.named("worse"), key=lambda each: each[0] != report.main_metric)
        if worse:
            (metric, change), *others = worse
            also = f"; also on {', '.join(name for name, _ in others)}" if others else ""
            figures = f"{change.first:.3f} against {change.second:.3f}{_sample(change, report)}"
            found.append(f"{rival.name} is better on {metric}: {figures}{also}.")
    return found


def _main_metric(report: TaskReport) -> list[str]:
    """Compare the main metric with each rival not named yet, and say which rival is missing."""
    found = []
    rivals = rivals_of(report)
    for rival in rivals:
        change = dict(rival.changes).get(report.main_metric)
        name = rival.name[:1].lower() + rival.name[1:]
        if change is None:
            found.append(f"{report.main_metric} could not be compared with {name}: too few examples in common.")
        elif change.verdict == "better":
            figures = f"{change.second:.3f} against {change.first:.3f}{_sample(change, report)}"
            found.append(f"The tuned model is better than {name} on {report.main_metric}: {figures}.")
        elif change.verdict == "cannot tell":
            found.append(_undecided(name, report, change))
    if not report.base:
        found.append("The base was not measured.")
    compared = {metric for rival in rivals for metric, _ in rival.changes}
    if compared and not any(rival.named("worse") for rival in rivals):
        found.append(f"No metric got worse, as far as these examples show ({len(compared)} compared).")
    return found


def _undecided(name: str, report: TaskReport, change: Change) -> str:
    figures = f"{change.second:.3f} against {change.first:.3f}{_sample(change, report)}"
    needed = f"; about {change.needed} examples needed" if change.needed else ""
    what = f"These examples do not show whether the tuned model is better than {name} on {report.main_metric}"
    return f"{what}: {figures}{needed}."


def _sample(change: Change, report: TaskReport) -> str:
    """Name the number of examples of a comparison, if it is not all of them."""
    return f" on the {change.rows} examples of both" if change.rows < len(report.tuned.rows) else ""


def _untested(report: TaskReport) -> list[str]:
    labels = report.untested
    if not labels:
        return []
    named = [f"'{label}' ({count} training examples)" for label, count in list(labels.items())[:_SHOWN]]
    more = f" and {len(labels) - _SHOWN} more" if len(labels) > _SHOWN else ""
    what = "1 label was trained on and is" if len(labels) == 1 else f"{len(labels)} labels were trained on and are"
    return [f"{what} in no test example: {', '.join(named)}{more}."]


def _left_out(report: TaskReport) -> list[str]:
    """Name the answers that could not be read, and the examples behind each figure."""
    found: list[str] = []
    columns = (("The tuned model", report.tuned), (_FEW_SHOT, report.few_shot), ("The base", report.base))
    for who, evaluation in columns:
        if evaluation is None:
            continue
        count = len(evaluation.rows)
        unasked = [row for row in evaluation.rows if not row.was_asked]
        unread = [row for row in evaluation.rows if row.error and row.was_asked]
        counted = sum(row.record is not None for row in unread)
        parts = [
            *([f"{len(unasked)} were not asked, because they do not fit the context"] if unasked else []),
            *([f"{len(unread)} had answers that could not be read"] if unread else []),
        ]
        if not parts:
            continue
        scored = count - evaluation.unscored
        ends = [f"{counted} of these count as no answer"] if counted else []
        ends += [f"its figures are of the {scored} examples that could be scored"] if scored < count else []
        found.append(f"{who}: of {count} examples {' and '.join(parts)}; {'; '.join(ends)}.")
    return found
