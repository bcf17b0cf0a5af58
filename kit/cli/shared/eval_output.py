"""The output of `kit eval`: the findings, worst first, and then the table."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from kit.cli.shared.output import Output, table, wrapped

if TYPE_CHECKING:
    from kit.evals.report import TaskReport
    from kit.workflows import EvaluationResult


def show(output: Output, result: EvaluationResult) -> None:
    """Print the result, then the files that could not be written."""
    reports = result.reports.values()
    texts = [_text(report, len(reports) > 1) for report in reports]
    data = {**result.attested, "report": str(result.report) if result.report else None}
    if result.problems:
        data["problems"] = [asdict(problem) for problem in result.problems]
    output.result(data, "\n\n".join([*texts, wrapped(_end(result))]))
    for problem in result.problems:
        output.say(str(problem))


def _text(report: TaskReport, titled: bool) -> str:
    from kit.bundle.attestation import gate_sentence
    from kit.evals.headline import headline
    from kit.evals.tables import few_shot_table, notes, terminal_table, worst_labels, worst_tags

    held = [gate_sentence(asdict(gate)) for gate in report.gates if gate.outcome == "held"]
    more = [cells for cells in (few_shot_table(report), worst_labels(report), worst_tags(report)) if cells]
    parts = [
        wrapped([*([f"Task {report.task}"] if titled else []), *headline(report)]),
        table(*terminal_table(report)),
        wrapped(notes(report)),
        *(table(*cells) for cells in more),
        *([wrapped(held)] if held else []),
    ]
    return "\n\n".join(parts)


def _end(result: EvaluationResult) -> list[str]:
    from kit.bundle.attestation import VERIFIED_MEANS

    lines = [result.status] if result.status else []
    if result.status.startswith("Status: verified"):
        lines.append(f"That means: {VERIFIED_MEANS}")
    folder = result.answers.parent.relative_to(result.project)
    what = "Every answer, the scores of each label and the confusions between labels" if result.report else "Answers"
    return [*lines, f"{what}: {folder}"]
