"""ROUGE-L: the overlap of two texts by their longest common subsequence of words (Lin 2004)."""

from __future__ import annotations

from kit.metrics.similarity import word_list


def rouge_l(expected: str, actual: str) -> float:
    """Return F1 over the longest common subsequence of words, from 0 to 1; two texts without a word score 1.

    Case and punctuation do not count.
    """
    left, right = word_list(expected), word_list(actual)
    both = len(left) + len(right)
    return 2 * _longest_common(left, right) / both if both else 1.0


def _longest_common(left: list[str], right: list[str]) -> int:
    """Return the length of the longest common subsequence, row by row of the usual table."""
    row = [0] * (len(right) + 1)
    for word in left:
        before = 0  # the entry above and to the left
        for index, other in enumerate(right, start=1):
            above = row[index]
            row[index] = before + 1 if word == other else max(above, row[index - 1])
            before = above
    return row[-1]
