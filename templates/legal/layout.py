"""Says when a document is laid out unlike the training examples: as a scan, a table or a column would be."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kit.text.sentences import CLOSING, FULL_STOPS

from .language import ABSENT

_LOOKED_AT, _LEAST_WORDS, _LEAST_LINES, _LEAST_PARAGRAPHS = 50_000, 40, 20, 3
MOST_CAPITALS = 0.5
"""Of the letters. The examples have 0.27 at most."""
LEAST_LETTERS = 0.7
"""Of the characters that are no white space. The examples have 0.82 and more."""
MOST_SINGLE = 0.35
"""Words of one character. The examples have 0.21 at most."""
LEAST_ON_A_LINE = 3.0
"""Words on a line with words. The examples have 5.4 and more."""
LEAST_ENDED = 0.35
"""Paragraphs of a full line that end like a sentence. The examples have 0.66 and more."""
WORDS_TO_A_STOP = 60
"""Words for each full stop; a text with more, whose paragraphs do not end like sentences, has no sentences."""
_WORD = re.compile(r"\w+")
_PARAGRAPH = re.compile(r"\n\s*\n")
_ENDS = (*".!?;:,_", *FULL_STOPS, *CLOSING, " and", " or")
_STOP = re.compile(rf"[.!?{FULL_STOPS}][{re.escape(CLOSING)}]*(?=\s|\Z)")
_FULL_LINE = 8  # words from which a paragraph is more than a heading or a signature


def warnings_of(text: str) -> tuple[str, ...]:
    """Return a sentence with every way in which the document's start is unlike the training examples; else nothing."""
    reasons = list(_reasons(text[:_LOOKED_AT]))
    if not reasons:
        return ()
    return (f"This document is laid out unlike the training examples ({', '.join(reasons)}): {ABSENT}",)


def _reasons(text: str) -> Iterator[str]:
    words = _WORD.findall(text)
    if len(words) < _LEAST_WORDS:
        return
    letters = sum(map(str.isalpha, text))
    if sum(map(str.isupper, text)) > MOST_CAPITALS * letters:
        yield "mostly capital letters"
    if letters < LEAST_LETTERS * sum(not char.isspace() for char in text):
        yield "many digits and signs"
    if sum(len(word) == 1 for word in words) > MOST_SINGLE * len(words):
        yield "letters apart"
    lines = sum(map(bool, map(_WORD.search, text.splitlines())))
    if lines >= _LEAST_LINES and len(words) < LEAST_ON_A_LINE * lines:
        yield "very short lines"
    if len(words) > WORDS_TO_A_STOP * len(_STOP.findall(text)) and _paragraphs_break_off(text):
        yield "paragraphs without a full stop"


def _paragraphs_break_off(text: str) -> bool:
    full = [each for each in _PARAGRAPH.split(text) if len(_WORD.findall(each)) >= _FULL_LINE]
    ended = sum(each.rstrip().endswith(_ENDS) for each in full)
    return len(full) >= _LEAST_PARAGRAPHS and ended < LEAST_ENDED * len(full)
