"""Finds labels that are trained on but never tested, or tested but never trained on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kit.checks import Check
from kit.errors import KitError, Problem, nearest
from kit.task import Example, Task, labels_of

AnyExample = Example[Any, Any]
WAIVER = "eval.untested_labels"
_UNTESTED = f"Add test examples of it, or list it in {WAIVER}."


def count_labels(task: Task[Any, Any], examples: Iterable[AnyExample]) -> Counter[str]:
    """Count the examples with each label; empty for a task without labels.

    Examples that the task refuses are skipped here; the checks of the rows report them.
    """
    counts: Counter[str] = Counter()
    for example in examples:
        try:
            counts.update(set(labels_of(task, example.request, example.response)))
        except KitError:
            continue
    return counts


def untested(trained: Iterable[str], tested: Iterable[str], waived: Iterable[str] = ()) -> list[str]:
    """Return, sorted, the labels that were trained on and that no test example has, without the waived ones."""
    return sorted(set(trained) - set(tested) - set(waived))


def check_labels(task: Task[Any, Any], parts: Mapping[str, Sequence[AnyExample]], waived: Sequence[str]) -> list[Check]:
    """Check that training and test examples have the same labels; no check for a task without labels."""
    trained = count_labels(task, [*parts["train"], *parts.get("validation", ())])
    tested = count_labels(task, parts["test"])
    if not trained and not tested:
        return []
    return [_tested(trained, tested, waived), _trained(trained, tested), *_waivers(trained, waived)]


def _tested(trained: Counter[str], tested: Counter[str], waived: Sequence[str]) -> Check:
    problems = [
        Problem(
            f"{trained[label]} training examples and no test example have the label '{label}'.",
            next=_UNTESTED,
        )
        for label in untested(trained, tested, waived)
    ]
    known = [label for label in waived if label in untested(trained, tested)]
    right = "Every label that is trained on has a test example"
    right += f", except those that the recipe waives: {', '.join(known)}." if known else "."
    return Check.listed("data.labels", problems, right, blocking=False)


def _trained(trained: Counter[str], tested: Counter[str]) -> Check:
    problems = [
        Problem(
            f"{tested[label]} test examples and no training example have the label '{label}'.",
            next=nearest(label, trained) or "Add training examples of it; without them, the model cannot learn it.",
        )
        for label in untested(tested, trained)
    ]
    right = "Every label that is tested has a training example."
    return Check.listed("data.labels.unknown", problems, right, blocking=False)


def _waivers(trained: Counter[str], waived: Sequence[str]) -> list[Check]:
    """Warn of a waiver for a label that does not exist, which is probably a typing error."""
    problems = [
        Problem(f"No training example has the label '{label}'.", WAIVER, nearest(label, trained))
        for label in waived
        if label not in trained
    ]
    right = "Every waived label is trained on."
    return [Check.listed(WAIVER, problems, right, blocking=False)] if waived else []
