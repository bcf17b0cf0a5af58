"""The reductions and the text similarity, compared with counts made by hand."""

from __future__ import annotations

import pytest

from kit.metrics.reductions import f1_over, macro_f1_over, mean_of, ratio_of, total
from kit.metrics.similarity import token_jaccard


def test_total_adds_a_field_and_skips_records_without_it() -> None:
    assert total([{"tp": 2.0}, {"fp": 5.0}, {"tp": 1.0}], "tp") == 3.0


def test_f1_pools_counts_before_dividing() -> None:
    records = [{"tp": 3.0, "fp": 1.0, "fn": 0.0}, {"tp": 0.0, "fp": 0.0, "fn": 2.0}]
    assert f1_over().reduce(records) == pytest.approx(6 / 9)


def test_f1_of_nothing_expected_and_nothing_found_is_not_measured() -> None:
    assert f1_over().reduce([{"tp": 0.0, "fp": 0.0, "fn": 0.0}]) is None
    assert f1_over().reduce([]) is None


def test_f1_of_only_misses_is_zero_and_not_unmeasured() -> None:
    assert f1_over().reduce([{"fn": 4.0}]) == 0.0


def test_macro_f1_weighs_a_rare_label_like_a_frequent_one() -> None:
    records = [{"tp:law": 90.0, "fn:law": 10.0, "tp": 90.0}, {"fn:cap": 1.0, "tp:unseen": 0.0}]
    assert macro_f1_over().reduce(records) == pytest.approx((180 / 190 + 0) / 2)
    assert macro_f1_over().reduce([{"tp": 3.0}]) is None


def test_ratio_pools_and_says_none_for_an_empty_denominator() -> None:
    metric = ratio_of("alarms", "documents", higher_is_better=False)
    assert metric.reduce([{"alarms": 3.0, "documents": 1.0}, {"documents": 1.0}]) == 1.5
    assert metric.reduce([{"alarms": 3.0}]) is None
    assert not metric.higher_is_better


def test_mean_is_over_the_records_that_have_the_field() -> None:
    assert mean_of("coverage").reduce([{"coverage": 1.0}, {"coverage": 0.5}, {}]) == 0.75
    assert mean_of("coverage").reduce([{}]) is None


@pytest.mark.parametrize(
    ("left", "right", "value"),
    [
        ("The law of Ostrava.", "the LAW of ostrava", 1.0),
        ("one two three", "two three four", 0.5),
        ("one", "two", 0.0),
        ("", "...", 1.0),
        ("", "word", 0.0),
    ],
)
def test_token_jaccard_compares_sets_of_words(left: str, right: str, value: float) -> None:
    assert token_jaccard(left, right) == value == token_jaccard(right, left)
