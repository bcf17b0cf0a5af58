"""The results of an evaluation: the attestation about a bundle, and the full report next to the answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from kit.engines.base import Capabilities
from kit.evals.by_label import confusion, label_scores
from kit.evals.by_tag import Slice, slices
from kit.evals.compare import Line, compare, got_worse
from kit.evals.few_shot import Shots
from kit.evals.gates import Gate, judge
from kit.evals.run import Evaluation
from kit.metrics.intervals import LEVEL
from kit.recipe import EvalSection
from kit.system.machine import machine_facts, version_facts
from kit.task import Task


@dataclass(frozen=True)
class TaskReport:
    """Everything that was measured about one task of a bundle.

    `baseline_name` names the classical baseline; `untested` are labels that were trained on and are in no test example,
    with the number of their training examples; `slices` are the scores by tag. `few_shot` is the base with solved
    examples in its prompt, and `shots` are those, or why there are none; None if it was not asked for.
    """

    task: str
    tuned: Evaluation
    base: Evaluation | None
    lines: tuple[Line, ...]
    gates: tuple[Gate, ...]
    baseline_name: str
    baseline: Evaluation | None = None
    main_metric: str = ""
    untested: Mapping[str, int] = field(default_factory=dict)
    slices: tuple[Slice, ...] = ()
    few_shot: Evaluation | None = None
    shots: Shots | None = None


def report_on(
    task: Task[Any, Any],
    settings: EvalSection,
    tuned: Evaluation,
    base: Evaluation | None = None,
    baseline: Evaluation | None = None,
    thresholds: Mapping[str, float] | None = None,
    untested: Mapping[str, int] | None = None,
    tags: Mapping[str, Sequence[str]] | None = None,
    few_shot: Evaluation | None = None,
    shots: Shots | None = None,
) -> TaskReport:
    """Compare the columns of a task and judge them by the recipe's thresholds, unless others are given.

    `tags` maps the id of an example to its tags.
    """
    lines = compare(task, tuned, base, baseline, settings.resamples, few_shot=few_shot)
    return TaskReport(
        task=task.name,
        tuned=tuned,
        base=base,
        lines=lines,
        gates=judge(task, lines, tuned, settings.gates if thresholds is None else thresholds),
        baseline_name=getattr(task, "baseline_name", "baseline"),
        baseline=baseline,
        main_metric=task.main_metric,
        untested=untested or {},
        slices=slices(
            task.main_metric,
            task.metrics[task.main_metric],
            tags or {},
            tuned,
            base,
            baseline,
            settings.resamples,
            few_shot,
        ),
        few_shot=few_shot,
        shots=shots,
    )


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


def by_label(report: TaskReport) -> dict[str, Any]:
    """Return each column's scores by label, worst first, and its confusion table."""
    measured = (
        ("tuned", report.tuned),
        ("base", report.base),
        ("few_shot", report.few_shot),
        ("baseline", report.baseline),
    )
    return {
        who: {
            "labels": [{**asdict(score), "f1": score.f1} for score in label_scores(evaluation.rows)],
            "confusion": confusion(evaluation.rows),
        }
        for who, evaluation in measured
        if evaluation is not None
    }


def _task(report: TaskReport) -> dict[str, Any]:
    tuned = report.tuned
    return {
        "task": report.task,
        "examples": len(tuned.rows),
        "groups": len({row.group for row in tuned.rows}),
        "tuned": _effort(tuned),
        "base": _effort(report.base) if report.base else None,
        "few_shot": _few_shot(report),
        "baseline": report.baseline_name,
        "main_metric": report.main_metric,
        "got_worse": got_worse(report.lines),
        "untested_labels": dict(report.untested),
        "metrics": [asdict(line) for line in report.lines],
        "by_tag": [asdict(each) for each in report.slices],
    }


def _few_shot(report: TaskReport) -> dict[str, Any] | None:
    """Return what few-shot took, or why it was not measured; None if it was not asked for."""
    if report.shots is None:
        return None
    if report.few_shot is None:
        return {"shots": 0, "reason": report.shots.reason}
    return {"shots": report.shots.count, "data": report.shots.digest, **_effort(report.few_shot)}


def _effort(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "examples": len(evaluation.rows),
        "unreadable": evaluation.unreadable,
        "unscored": evaluation.unscored,
        "answer_tokens": evaluation.answer_tokens,
        "seconds": round(evaluation.seconds, 3),
    }
