"""Hits, false alarms and misses on cases worked out by hand."""

from __future__ import annotations

from kit.metrics.matching import matches
from kit.metrics.reductions import f1_over, macro_f1_over


def test_items_match_where_label_and_key_are_equal() -> None:
    record = matches([("a", 1), ("a", 2), ("b", 3)], [("a", 1), ("b", 2), ("b", 2)])
    assert record == {"tp": 1, "fp": 1, "fn": 2, "tp:a": 1, "fp:b": 1, "fn:a": 1, "fn:b": 1}
    assert f1_over().reduce([record]) == 2 / 5
    assert macro_f1_over().reduce([record]) == (2 / 3 + 0) / 2


def test_two_empty_sides_count_nothing() -> None:
    assert f1_over().reduce([matches([], [])]) is None
