"""Similarity of two texts by their words."""

from __future__ import annotations

import re

_WORD = re.compile(r"\w+")


def word_list(text: str) -> list[str]:
    """Return the words of a text in order, in lower case and without punctuation."""
    return _WORD.findall(text.casefold())


def words_of(text: str) -> frozenset[str]:
    """Return the distinct words of a text; case, punctuation and white space do not count."""
    return frozenset(word_list(text))


def jaccard(left: frozenset[str], right: frozenset[str]) -> float:
    """Return the size of the intersection over the size of the union (Jaccard 1912); two empty sets are alike."""
    union = len(left | right)
    return len(left & right) / union if union else 1.0


def token_jaccard(left: str, right: str) -> float:
    """Jaccard similarity of the words of two texts, between 0 and 1."""
    return jaccard(words_of(left), words_of(right))
