"""ROUGE-L on cases worked out by hand."""

from __future__ import annotations

import pytest

from kit.metrics.rouge import rouge_l


@pytest.mark.parametrize(
    ("expected", "actual", "score"),
    [
        ("the cat sat", "The cat, sat!", 1.0),
        ("", "", 1.0),
        ("the cat sat", "", 0.0),
        ("police killed the gunman", "police kill the gunman", 3 / 4),
        ("police killed the gunman", "the gunman kill police", 2 / 4),  # the words are there, in another order
        ("a b c d", "a x c", 2 * 2 / 7),
        ("a b a", "b a a b", 2 * 2 / 7),
    ],
)
def test_rouge_l_is_f1_over_the_longest_common_subsequence_of_words(expected: str, actual: str, score: float) -> None:
    assert rouge_l(expected, actual) == pytest.approx(score)
    assert rouge_l(actual, expected) == pytest.approx(score)
