"""Gates: each is held, failed or unmeasured. Unmeasured never counts as held.

A recipe's gate compares a metric with a threshold. It fails if the value does not pass. It holds if the whole interval
passes: its lower end, or its upper end if lower is better. If the value passes and the interval does not, the gate is
unmeasured, and estimates how many examples are enough.

Without any threshold, the tuned model may not be worse than its base: neither on the task's main metric nor on the stop
rate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kit.checks import Outcome
from kit.errors import InputError, Problem, nearest
from kit.evals.compare import Line
from kit.evals.run import STOP_RATE, Evaluation, metrics_of
from kit.metrics.intervals import rows_needed
from kit.task import Task

_NOT_WORSE = " not worse than base"


@dataclass(frozen=True)
class Gate:
    """One gate and its outcome: `reason` explains it in a sentence without the name.

    `threshold` is the least value, or the most if lower is better.
    """

    name: str
    outcome: Outcome
    value: float | None
    threshold: float | None
    reason: str

    @property
    def metric(self) -> str:
        """The metric that it judges; the name itself for a gate on the data."""
        return self.name.removesuffix(_NOT_WORSE)


def check_thresholds(task: Task[Any, Any], thresholds: Mapping[str, float]) -> None:
    """Raise InputError for every gate on a metric that the task does not have."""
    known = metrics_of(task)
    problems = [
        Problem(f"The task has no metric '{name}'.", f"eval.gates.{name}", nearest(name, known) or _listed(known))
        for name in thresholds
        if name not in known
    ]
    if problems:
        raise InputError(problems)


def thresholds_by_task(thresholds: Mapping[str, float], tasks: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return the thresholds of each task. With several tasks, the recipe writes TASK.METRIC.

    Raises InputError for every name that does not start with a task.
    """
    if len(tasks) == 1:
        return {tasks[0]: dict(thresholds)}
    found: dict[str, dict[str, float]] = {task: {} for task in tasks}
    problems = []
    for name, threshold in thresholds.items():
        task, dot, metric = name.partition(".")
        if dot and task in found:
            found[task][metric] = threshold
        else:
            what = f"The recipe has several tasks, and '{name}' names none of them."
            problems.append(Problem(what, f"eval.gates.{name}", f"Write TASK.METRIC; tasks: {', '.join(tasks)}."))
    if problems:
        raise InputError(problems)
    return found


def judge(
    task: Task[Any, Any], lines: Sequence[Line], tuned: Evaluation, thresholds: Mapping[str, float]
) -> tuple[Gate, ...]:
    """Judge a comparison by the recipe's thresholds, or by the default gates if there are none.

    Raises InputError for a threshold on an unknown metric.
    """
    check_thresholds(task, thresholds)
    by_name = {line.metric: line for line in lines}
    if thresholds:
        return tuple(_against_threshold(by_name[name], tuned, limit) for name, limit in thresholds.items())
    return tuple(_against_base(by_name[name], tuned) for name in dict.fromkeys((task.main_metric, STOP_RATE)))


def outcome_of(gates: Sequence[Gate]) -> Outcome:
    """Return the outcome of several gates: the worst of them, or "unmeasured" where there is none."""
    outcomes = {gate.outcome for gate in gates}
    if "failed" in outcomes:
        return "failed"
    return "held" if outcomes == {"held"} else "unmeasured"


def _against_threshold(line: Line, tuned: Evaluation, threshold: float) -> Gate:
    value, interval, missing = line.tuned.value, line.tuned.interval, _missing(line, tuned)
    if missing or value is None or interval is None:
        return Gate(line.metric, "unmeasured", value, threshold, missing)
    sign = 1 if line.higher_is_better else -1
    worst = interval.low if line.higher_is_better else interval.high
    wanted = f"{threshold:g} required." if line.higher_is_better else f"at most {threshold:g} allowed."
    if sign * (value - threshold) < 0:
        return Gate(line.metric, "failed", value, threshold, f"{value:.3f}, {wanted}")
    if sign * (worst - threshold) < 0:
        return Gate(line.metric, "unmeasured", value, threshold, _too_wide(line, value, worst, threshold))
    reason = f"{value:.3f} ({interval.low:.3f}–{interval.high:.3f}), {wanted}"
    return Gate(line.metric, "held", value, threshold, reason)


def _too_wide(line: Line, value: float, worst: float, threshold: float) -> str:
    """Explain that a value passes, but its interval crosses the threshold."""
    needed = rows_needed(value - threshold, value - worst, line.tuned.rows)
    enough = f"about {needed} examples needed" if needed else "no practical number of examples would be enough"
    end = "begins" if line.higher_is_better else "ends"
    return f"{value:.3f} passes {threshold:g}, but its interval {end} at {worst:.3f}; {enough}."


def _against_base(line: Line, tuned: Evaluation) -> Gate:
    name = f"{line.metric}{_NOT_WORSE}"
    value, threshold = line.tuned.value, line.base.value if line.base else None
    missing = _missing(line, tuned)
    if not missing and line.base is None:
        missing = "The base was not measured."
    if not missing and (line.change is None or line.change.interval is None):
        missing = "The base was not measured well enough on the same examples."
    if missing or line.change is None:
        return Gate(name, "unmeasured", value, threshold, missing)
    outcome: Outcome = "failed" if line.verdict == "worse" else "held"
    found = "no difference that these examples can show" if line.verdict == "cannot tell" else line.verdict
    reason = f"{line.change.second:.3f} against {line.change.first:.3f}: {found}."
    return Gate(name, outcome, value, threshold, reason)


def _missing(line: Line, tuned: Evaluation) -> str:
    """Return why the metric cannot be judged; empty if it can."""
    if tuned.unscored:
        return f"{tuned.unscored} of {len(tuned.rows)} examples could not be scored."
    if line.tuned.value is None:
        return "The metric has no value on these examples."
    if line.tuned.interval is None:
        groups = len({row.group for row in tuned.rows})
        return f"{groups} groups of examples are too few for an interval of this metric."
    return ""


def _listed(names: Mapping[str, Any]) -> str:
    return f"Known: {', '.join(names)}."
