"""Says when a document does not read like the language of the training examples, which is English."""

from __future__ import annotations

import re
from itertools import islice

_ENGLISH = """
a all an and any are as at be been by for from has have if in is it its may no not of on or shall such that the their
this to under upon was which will with within
"""
_COMMON = frozenset(_ENGLISH.split())
_WORD = re.compile(r"[^\W\d_]+")
_LOOKED_AT, _LEAST_WORDS = 5_000, 50
LEAST_SHARE = 0.15
"""Of the words of a text. The examples have 0.28 and more of these, and all but one of 406 public contracts 0.19."""
ABSENT = "do not rely on what is absent."
"""How every warning about a document ends."""
_WARNING = f"This document does not read like English, as all training examples do: {ABSENT}"


def warnings_of(text: str) -> tuple[str, ...]:
    """Return a sentence if so few common English words are there that clauses are probably missed; else nothing."""
    words = [match[0].lower() for match in islice(_WORD.finditer(text), _LOOKED_AT)]
    if len(words) < _LEAST_WORDS or sum(word in _COMMON for word in words) >= LEAST_SHARE * len(words):
        return ()
    return (_WARNING,)
