"""Gates on the test data: no test row was trained on, and every trained label is tested."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from kit.bundle.training_record import TrainedRecord, TrainedTask
from kit.data.checking.labels import WAIVER, count_labels, untested
from kit.data.checking.leaks import leak_of
from kit.data.keys import Keys
from kit.evals.gates import Gate
from kit.evals.report import TaskReport
from kit.task import Example, Task

AnyExample = Example[Any, Any]
LEAKS, LABELS = "data.leaks", "data.labels"  # the names that `kit check` uses
_SHOWN = 3
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

    `places` maps an example's id to its file and line; `waived` labels need no test example.
    """
    trained = record.tasks.get(task.name) if record is not None else None
    gates = (leak_gate(examples, places, trained), *label_gate(task, examples, trained, waived))
    return replace(report, gates=(*report.gates, *gates), untested=_never_tested(task, examples, trained, waived))


def _never_tested(
    task: Task[Any, Any], examples: Sequence[AnyExample], trained: TrainedTask | None, waived: Sequence[str]
) -> dict[str, int]:
    """Return each trained label without a test example or a waiver, with its number of trained examples."""
    if trained is None:
        return {}
    return {label: trained.labels[label] for label in untested(trained.labels, count_labels(task, examples), waived)}


def leak_gate(examples: Sequence[AnyExample], places: Mapping[str, str], trained: TrainedTask | None) -> Gate:
    """Judge whether test rows were also trained on; the value is their number."""
    if trained is None:
        return Gate(LEAKS, "unmeasured", None, 0.0, _UNKNOWN)
    keys = Keys(frozenset(trained.requests), frozenset(trained.groups))
    found = [example.id for example in examples if leak_of(example, keys)]
    if not found:
        reason = f"None of the {len(examples)} test rows was trained on, neither its request nor its group."
        return Gate(LEAKS, "held", 0.0, 0.0, reason)
    named = ", ".join(_named(id, places.get(id, "")) for id in found[:_SHOWN])
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    reason = f"{len(found)} of {len(examples)} test rows were trained on, their request or their group: {named}{more}."
    return Gate(LEAKS, "failed", float(len(found)), 0.0, reason)


def label_gate(
    task: Task[Any, Any], examples: Sequence[AnyExample], trained: TrainedTask | None, waived: Sequence[str]
) -> list[Gate]:
    """Judge whether each trained label was tested; the value is the number of untested ones.

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
    return [Gate(LABELS, "held", 0.0, 0.0, f"Each of the {len(trained.labels)} trained labels is tested{but}.")]


def _named(id: str, place: str) -> str:
    """Name a row with its file and line, without the folder: the service publishes the reason."""
    return f"'{id}' ({place.replace(os.sep, '/').rsplit('/', 1)[-1]})" if place else f"'{id}'"


def _listed(labels: Iterable[str]) -> str:
    return ", ".join(f"'{label}'" for label in labels)
