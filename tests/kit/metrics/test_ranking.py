"""Average precision and precision at a recall, against scikit-learn and by hand."""

from __future__ import annotations

import random

import pytest

from kit.metrics.ranking import BINS, average_precision, precision_at_recall, scored
from kit.task import Record


def records_of(answers: list[tuple[float, bool]], missed: int, parts: int = 3) -> list[Record]:
    """The answers divided among several records, with what was missed in the last."""
    found: list[Record] = []
    for part in range(parts):
        mine = answers[part::parts]
        right = sum(right for _, right in mine)
        found.append({**scored(mine), "tp": right, "fp": len(mine) - right, "fn": missed * (part == parts - 1)})
    return found


def test_average_precision_equals_scikit_learns_where_nothing_was_missed() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    chance = random.Random(5)
    answers = [(chance.randrange(BINS) / BINS + 0.001, chance.random() < 0.4) for _ in range(400)]
    expected = metrics.average_precision_score([right for _, right in answers], [score for score, _ in answers])
    assert average_precision().reduce(records_of(answers, 0)) == pytest.approx(expected)


def test_what_was_missed_lowers_both() -> None:
    records = records_of([(0.95, True), (0.85, False), (0.75, True)], missed=2)
    assert average_precision().reduce(records) == pytest.approx(0.25 * 1 + 0.25 * 2 / 3)
    assert precision_at_recall(0.25).reduce(records) == 1.0
    assert precision_at_recall(0.5).reduce(records) == pytest.approx(2 / 3)
    assert precision_at_recall(0.8).reduce(records) == 0.0


def test_a_confidence_of_one_is_in_the_last_bin_and_none_is_not_measured() -> None:
    assert scored([(1.0, True), (0.0, False)]) == {f"scored:{BINS - 1}:hit": 1.0, "scored:0:alarm": 1.0}
    without: list[Record] = [{"tp": 2, "fn": 1}]
    assert average_precision().reduce(without) is None
    assert precision_at_recall(0.5).reduce(without) is None
