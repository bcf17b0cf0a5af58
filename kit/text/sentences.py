"""Splits a text into sentences, in time linear in its length."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kit.text.span import Span

FULL_STOPS = "。｡！？।॥؟۔።"
"""Marks that end a sentence in scripts other than Latin, with or without a space after them."""
CLOSING = "\"'”’)]」』）】》〉"
_CLOSING = re.escape(CLOSING)
# A full stop ends a sentence, except after an initial or one of these abbreviations, or before a lower-case word.
# A blank line always ends it.
_END = re.compile(
    r"(?<!\b[A-Z])(?<!\b(?:Co|No))(?<!\b(?:Inc|Ltd))(?<!\bCorp)"
    rf"[.!?][{_CLOSING}]*(?=\s|$)(?!\s+[a-z]{{2}})|:(?=\s+[\"“]?[A-Z])|[{FULL_STOPS}]+[{_CLOSING}]*|\n\s*\n|\Z"
)
# The number or letter of a paragraph is not part of the sentence after it.
_COUNT = re.compile(r"(?:\((?:\d+|[a-z]|[ivxl]+)\)|\d+(?:\.\d+)*\.?|[a-z]\)|\d+\))\s+(?=[\"'“(]?[A-Z])")
# A sentence needs two letters; one is enough in scripts that write a word with one sign.
_WORD = re.compile(r"[^\W\d_]{2}|[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


def sentences(text: str) -> Iterator[Span]:
    """Yield the span of each sentence, without the white space around it; a number alone joins the next sentence."""
    start = searched = 0
    for match in _END.finditer(text):
        end = match.end()
        # No word continues past the end of a match, so each part is searched only once.
        if end == len(text) or not match.group().strip() or _WORD.search(text, searched, end):
            piece = text[start:end]
            if piece.strip():
                begin = start + len(piece) - len(piece.lstrip())
                count = _COUNT.match(text, begin, end)
                yield Span(start=count.end() if count else begin, end=start + len(piece.rstrip()))
            start = end
        searched = end
