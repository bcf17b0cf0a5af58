"""What `kit eval` prints and writes into a page: what was found, the worst first, and then the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from kit.cli.output import Output, table, wrapped

if TYPE_CHECKING:
    from kit.cli.eval import Plan
    from kit.cli.keeping import Kept
    from kit.evals.report import TaskReport


def show(output: Output, plan: Plan, reports: Sequence[TaskReport], kept: Kept) -> None:
    """Print the result, and after it what could not be written."""
    texts = [_text(report, len(reports) > 1) for report in reports]
    data = {**kept.payload, "report": str(kept.report) if kept.report else None}
    if kept.problems:
        data["problems"] = [asdict(problem) for problem in kept.problems]
    output.result(data, "\n\n".join([*texts, wrapped(_ends(plan, kept))]))
    for problem in kept.problems:
        output.say(str(problem))


def page_text(plan: Plan, reports: Sequence[TaskReport], payload: dict[str, Any]) -> str:
    """Return the text for a page: each task's table, the base, the engine, the machine."""
    from kit.evals.tables import markdown
    from kit.system.machine import describe

    saw = f"Base: {plan.bundle.seal.base.model}. Engine: {payload['engine']['name']}."
    measured = describe(payload["machine"], payload["versions"])
    titled = [f"### {each.task}\n\n{markdown(each)}" for each in reports]
    return "\n\n".join([*(titled if len(reports) > 1 else [markdown(reports[0])]), saw, measured])


def _text(report: TaskReport, titled: bool) -> str:
    from kit.bundle.attestation import gate_sentence
    from kit.evals.headline import headline
    from kit.evals.tables import notes, terminal_table, worst_labels

    held = [gate_sentence(asdict(gate)) for gate in report.gates if gate.outcome == "held"]
    worst = worst_labels(report)
    parts = [
        wrapped([*([f"Task {report.task}"] if titled else []), *headline(report)]),
        table(*terminal_table(report)),
        wrapped(notes(report)),
        *([table(*worst)] if worst else []),
        *([wrapped(held)] if held else []),
    ]
    return "\n\n".join(parts)


def _ends(plan: Plan, kept: Kept) -> list[str]:
    from kit.bundle.attestation import VERIFIED_MEANS

    lines = [kept.status] if kept.status else []
    if kept.status.startswith("Status: verified"):
        lines.append(f"That means: {VERIFIED_MEANS}")
    folder = kept.answers.parent.relative_to(plan.project.root)
    what = "Every answer, the scores of each label and what was taken for what" if kept.report else "Answers"
    return [*lines, f"{what}: {folder}"]
