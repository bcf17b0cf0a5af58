"""Gates on what was tested rather than on how well: were its rows trained on, and is every trained label among them?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from kit.bundle.trained import TrainedRecord, TrainedTask
from kit.data.keys import Keys
from kit.data.labels import WAIVER, count_labels, untested
from kit.data.leaks import leaked
from kit.evals.gates import Gate
from kit.evals.report import TaskReport
from kit.task import Example, Task

AnyExample = Example[Any, Any]
LEAKS, LABELS = "no test row was trained on", "every trained label is tested"
_SHOWN = 5
_UNKNOWN = "The bundle does not say what it was trained on: an earlier version of the kit built it. Train it again."


def with_data_gates(
    report: TaskReport,
    task: Task[Any, Any],
    examples: Sequence[AnyExample],
    places: Mapping[str, str],
    record: TrainedRecord | None,
    waived: Sequence[str] = (),
) -> TaskReport:
    """Return a task's report with the gates on its test examples after its own.

    `places` maps an example's id to its file and line; `waived` are labels that may go without a test example.
    """
    trained = record.tasks.get(task.name) if record is not None else None
    gates = (leak_gate(examples, places, trained), *label_gate(task, examples, trained, waived))
    return replace(report, gates=(*report.gates, *gates), untested=_never_tested(task, examples, trained, waived))


def _never_tested(
    task: Task[Any, Any], examples: Sequence[AnyExample], trained: TrainedTask | None, waived: Sequence[str]
) -> dict[str, int]:
    """Return each trained label that no test example gives and nobody waives, with its number of trained examples."""
    if trained is None:
        return {}
    return {label: trained.labels[label] for label in untested(trained.labels, count_labels(task, examples), waived)}


def leak_gate(examples: Sequence[AnyExample], places: Mapping[str, str], trained: TrainedTask | None) -> Gate:
    """Judge whether rows that measure were also trained on; its value is the number of them."""
    if trained is None:
        return Gate(LEAKS, "unmeasured", None, 0.0, _UNKNOWN)
    found = leaked(examples, places, Keys(frozenset(trained.requests), frozenset(trained.groups)))
    if not found:
        return Gate(LEAKS, "held", 0.0, 0.0, f"None of {len(examples)} test rows, by request and by group.")
    named = " ".join(map(str, found[:_SHOWN]))
    more = f" … and {len(found) - _SHOWN} more." if len(found) > _SHOWN else ""
    reason = f"{len(found)} of {len(examples)} test rows: {named}{more}"
    return Gate(LEAKS, "failed", float(len(found)), 0.0, reason)


def label_gate(
    task: Task[Any, Any], examples: Sequence[AnyExample], trained: TrainedTask | None, waived: Sequence[str]
) -> list[Gate]:
    """Judge whether each label that was trained on was tested; its value is the number of those that were not.

    No gate for a task without labels.
    """
    tested = count_labels(task, examples)
    if trained is None:
        return [Gate(LABELS, "unmeasured", None, 0.0, _UNKNOWN)] if tested else []
    if not trained.labels:
        return []
    missing = untested(trained.labels, tested, waived)
    if missing:
        reason = f"No test row gives {_listed(missing)}. Add test rows, or list the labels in {WAIVER} and train again."
        return [Gate(LABELS, "unmeasured", float(len(missing)), 0.0, reason)]
    free = untested(trained.labels, tested)
    but = f", but {_listed(free)}, which the recipe waives" if free else ""
    return [Gate(LABELS, "held", 0.0, 0.0, f"Each of {len(trained.labels)} labels{but}.")]


def _listed(labels: Iterable[str]) -> str:
    return ", ".join(f"'{label}'" for label in labels)
