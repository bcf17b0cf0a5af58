"""Windows over a long document. They overlap, cover every character, and end at the end of a paragraph or sentence.

A window is measured in UTF-8 bytes. A byte-level tokenizer never makes more tokens than bytes, so a window of N bytes
never takes more than N tokens, whatever language or symbols it holds.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from kit.text.sentences import CLOSING, FULL_STOPS
from kit.text.span import Span

_PARAGRAPH = re.compile(r"\n\s*\n\s*")
_SENTENCE = re.compile(rf"(?<=[.;:!?])\s+|\n\s*|[{FULL_STOPS}；]+[{re.escape(CLOSING)}]*\s*")
_BLANK = re.compile(r"\s+")


@dataclass(frozen=True)
class Window(Span):
    """The part of a document that is in one prompt."""


def windows(text: str, size: int, overlap: int) -> list[Window]:
    """Return windows of at most `size` bytes, each sharing at least `overlap` bytes with the next.

    They cover the text from end to end. `overlap` is at most a third of `size`; an empty text has no window.
    """
    ruler = Ruler(text)
    found: list[Window] = []
    start = 0
    while start < len(text):
        limit = ruler.ahead(start, size)
        if limit == len(text):
            found.append(Window(start, limit))
            break
        end = last_boundary(text, ruler.ahead(start, size * 5 // 6), limit)
        found.append(Window(start, end))
        latest = ruler.behind(end, overlap)
        start = last_boundary(text, max(start + 1, ruler.behind(latest, overlap)), latest)
    return found


class Ruler:
    """Measures a text in UTF-8 bytes."""

    def __init__(self, text: str) -> None:
        self._ends: Sequence[int] = range(1, len(text) + 1)
        if not text.isascii():
            self._ends = list(accumulate(map(_bytes, text)))

    def ahead(self, position: int, size: int) -> int:
        """The last position at most `size` bytes after `position`, but at least one character after it."""
        used = self._ends[position - 1] if position else 0
        return max(position + 1, bisect_right(self._ends, used + size))

    def behind(self, position: int, size: int) -> int:
        """The last position at least `size` bytes before `position`, or the start of the text."""
        return bisect_right(self._ends, max(0, self._ends[position - 1] - size))


def _bytes(char: str) -> int:
    code = ord(char)
    return 1 if code < 0x80 else 2 if code < 0x800 else 3 if code < 0x10000 else 4


def last_boundary(text: str, low: int, high: int) -> int:
    """Return the last position in low…high where a paragraph starts, else a sentence, else a word, else `high`."""
    for pattern in (_PARAGRAPH, _SENTENCE, _BLANK):
        ends = [match.end() for match in pattern.finditer(text, low, high)]
        if ends:
            return ends[-1]
    return high
