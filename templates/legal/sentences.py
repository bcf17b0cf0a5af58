"""Where the sentences of a document begin and end. Time grows with the length of the text, whatever it holds."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .schema import Span

FULL_STOPS = "。｡！？।॥؟۔።"
"""Marks that end a sentence in scripts other than Latin, whether or not a blank follows."""
CLOSING = "\"'”’)]」』）】》〉"
_CLOSING = re.escape(CLOSING)
# A full stop ends a sentence unless it ends an initial or one of these, or goes on small; a blank line ends it anyway.
_END = re.compile(
    r"(?<!\b[A-Z])(?<!\b(?:Co|No))(?<!\b(?:Inc|Ltd))(?<!\bCorp)"
    rf"[.!?][{_CLOSING}]*(?=\s|$)(?!\s+[a-z]{{2}})|:(?=\s+[\"“]?[A-Z])|[{FULL_STOPS}]+[{_CLOSING}]*|\n\s*\n|\Z"
)
# A number or letter that counts paragraphs is no part of the sentence after it.
_COUNT = re.compile(r"(?:\((?:\d+|[a-z]|[ivxl]+)\)|\d+(?:\.\d+)*\.?|[a-z]\)|\d+\))\s+(?=[\"'“(]?[A-Z])")
# Two letters; of scripts that write a word in one sign, one.
_WORD = re.compile(r"[^\W\d_]{2}|[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


def sentences(text: str) -> Iterator[Span]:
    """Yield the ranges of sentences, without the blanks around them; a number alone belongs to what follows it."""
    start = searched = 0
    for match in _END.finditer(text):
        end = match.end()
        # No word goes on past the end of a match, so what was searched need not be searched again.
        if end == len(text) or not match.group().strip() or _WORD.search(text, searched, end):
            piece = text[start:end]
            if piece.strip():
                begin = start + len(piece) - len(piece.lstrip())
                count = _COUNT.match(text, begin, end)
                yield Span(start=count.end() if count else begin, end=start + len(piece.rstrip()))
            start = end
        searched = end
