"""Where the sentences of a document begin and end."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .schema import Span

_CLOSING = re.escape("\"'”’)]")
# A full stop ends a sentence unless it ends an initial or one of these, or goes on small; a blank line ends it anyway.
_END = re.compile(
    r"(?<!\b[A-Z])(?<!\b(?:Co|No))(?<!\b(?:Inc|Ltd))(?<!\bCorp)"
    rf"[.!?][{_CLOSING}]*(?=\s|$)(?!\s+[a-z]{{2}})|:(?=\s+[\"“]?[A-Z])|\n\s*\n|\Z"
)
# A number or letter that counts paragraphs is no part of the sentence after it.
_COUNT = re.compile(r"(?:\((?:\d+|[a-z]|[ivxl]+)\)|\d+(?:\.\d+)*\.?|[a-z]\)|\d+\))\s+(?=[\"'“(]?[A-Z])")
_WORD = re.compile(r"[^\W\d_]{2}")


def sentences(text: str) -> Iterator[Span]:
    """Yield the ranges of sentences, without the blanks around them; a number alone belongs to what follows it."""
    start = 0
    for match in _END.finditer(text):
        piece = text[start : match.end()]
        if match.end() == len(text) or not match.group().strip() or _WORD.search(piece):
            if piece.strip():
                begin = start + len(piece) - len(piece.lstrip())
                count = _COUNT.match(text, begin, match.end())
                yield Span(start=count.end() if count else begin, end=start + len(piece.rstrip()))
            start = match.end()
