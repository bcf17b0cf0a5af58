"""How alike two texts are."""

from __future__ import annotations

import re

_WORD = re.compile(r"\w+")


def words_of(text: str) -> frozenset[str]:
    """Return the distinct words of a text, without regard to case, punctuation and white space."""
    return frozenset(_WORD.findall(text.casefold()))


def jaccard(left: frozenset[str], right: frozenset[str]) -> float:
    """Return the size of the intersection over the size of the union (Jaccard 1912); two empty sets are alike."""
    union = len(left | right)
    return len(left & right) / union if union else 1.0


def token_jaccard(left: str, right: str) -> float:
    """Jaccard similarity of the words of two texts, between 0 and 1."""
    return jaccard(words_of(left), words_of(right))
