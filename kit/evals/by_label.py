"""Scores by label: how well each was found, and with which label it was confused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from kit.errors import InputError
from kit.evals.run import Row
from kit.task import Example, Task, labels_of

MISSED, NOT_THERE = "(missed)", "(not there)"
_COUNTS = ("tp", "fp", "fn")


@dataclass(frozen=True)
class LabelScore:
    """How well one label was found: `hits` out of `expected`, and `alarms` (false positives)."""

    label: str
    expected: int
    hits: int
    alarms: int

    @property
    def f1(self) -> float | None:
        """2 hits / (expected + found); None for a label that was neither expected nor found."""
        below = self.expected + self.hits + self.alarms
        return 2 * self.hits / below if below else None


def label_scores(rows: Iterable[Row]) -> tuple[LabelScore, ...]:
    """Return the score of every label, the worst first.

    A task may count by label itself (`tp:LABEL`, `fp:LABEL`, `fn:LABEL` in its records). Otherwise a label is a hit as
    often as the example and the answer both give it.
    """
    totals: Counter[tuple[str, str]] = Counter()
    for row in rows:
        if row.record is not None:
            totals.update(_counted(row))
    labels = sorted({label for _, label in totals})
    scores = [
        LabelScore(
            label=label,
            expected=int(totals["tp", label] + totals["fn", label]),
            hits=int(totals["tp", label]),
            alarms=int(totals["fp", label]),
        )
        for label in labels
    ]
    known = [score for score in scores if score.f1 is not None]
    return tuple(sorted(known, key=lambda score: (score.f1 or 0.0, -score.expected)))


def confusion(rows: Iterable[Row]) -> dict[str, dict[str, int]]:
    """Return how often each expected label was answered with each label.

    One label counts as confused with another only if the example and its answer have one label each. In all other
    examples, a label that was not found is MISSED, and one that was not expected NOT_THERE.
    """
    pairs: Counter[tuple[str, str]] = Counter()
    for row in rows:
        if row.record is None or not (row.expected or row.labels):
            continue
        if len(row.expected) == len(row.labels) == 1:
            pairs[row.expected[0], row.labels[0]] += 1
            continue
        expected, found = Counter(row.expected), Counter(row.labels)
        for label, count in (expected & found).items():
            pairs[label, label] += count
        for label, count in (expected - found).items():
            pairs[label, MISSED] += count
        for label, count in (found - expected).items():
            pairs[NOT_THERE, label] += count
    table: dict[str, dict[str, int]] = {}
    for (expected_label, answered), count in sorted(pairs.items()):
        table.setdefault(expected_label, {})[answered] = count
    return table


def _counted(row: Row) -> dict[tuple[str, str], float]:
    """Return (tp, fp or fn; label) to its count in one row."""
    assert row.record is not None
    parts = [(key.partition(":"), value) for key, value in row.record.items()]
    own = {(kind, label): value for (kind, colon, label), value in parts if colon and kind in _COUNTS}
    if own:
        return own
    expected, found = Counter(row.expected), Counter(row.labels)
    counts = {"tp": expected & found, "fp": found - expected, "fn": expected - found}
    return {(kind, label): float(count) for kind, labels in counts.items() for label, count in labels.items()}


def _labels(task: Task[Any, Any], example: Example[Any, Any]) -> tuple[str, ...]:
    """Return an example's labels; none if the task refuses the example, which the checks of the data name."""
    try:
        return labels_of(task, example.request, example.response)
    except InputError:
        return ()
