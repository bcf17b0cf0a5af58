"""Finds a quote in its source. The result is a place in the source, so its words are the source's, not the model's.

Each run of white space counts as one space, so a line break makes no difference. If the source does not contain the
exact words, the result is the closest sequence of source words, or None if none is close enough.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from itertools import islice
from typing import Literal

from kit.text.span import Span

_WORD = re.compile(r"\S+")
_LETTER = re.compile(r"\w")
_CORE = re.compile(r"\w(?:.*\w)?", re.DOTALL)
_DRIFT = 3  # a copy may add or leave out at most this many words
_COMMON = 50  # a word in more places than this does not help to find the place of a quote

Block = tuple[int, int, int]  # equal words: index in the quote, index in the source, how many


@dataclass(frozen=True)
class Found(Span):
    """A place in the source, and whether it has the exact words or only the closest ones."""

    state: Literal["exact", "repaired"]


def fold(text: str) -> str:
    """Return the text with each run of white space as one space, and none at its ends."""
    return " ".join(_WORD.findall(text))


class Source:
    """A document in which quotes are looked up. All positions are code points of the given text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._starts: list[int] = []
        self._folded_starts: list[int] = []
        words: list[str] = []
        length = 0
        for match in _WORD.finditer(text):
            self._starts.append(match.start())
            self._folded_starts.append(length)
            words.append(match.group())
            length += len(match.group()) + 1
        self._words = words
        self._folded = " ".join(words)
        self._simple = cache(self._simple_words)

    def places(self, quote: str, start: int, end: int, most: int) -> list[Found]:
        """Return up to `most` places of the exact quote between two positions."""
        return list(islice(self.each_place(quote, start, end), most))

    def each_place(self, quote: str, start: int, end: int) -> Iterator[Found]:
        """Yield the places of the exact quote between two positions, in order."""
        folded = fold(quote)
        if not _LETTER.search(folded):
            return
        low, high = self._to_folded(start), self._to_folded(end)
        while (position := self._folded.find(folded, low, high)) >= 0:
            low = position + len(folded)
            yield Found(self._to_source(position), self._to_source(low - 1) + 1, "exact")

    def closest(self, quote: str, start: int, end: int, least: float) -> Found | None:
        """Return the sequence of source words closest to a quote, if at least the share `least` of the words agrees.

        The share is twice the number of common words in order, divided by the number of words of both (Dice 1945).
        """
        wanted = [_simple(word) for word in _WORD.findall(quote)]
        first, last = self._word_range(start, end)
        offset = _diagonal(wanted, self._simple(first, last))
        if offset is None:
            return None
        slack = max(_DRIFT, len(wanted) // 5)
        low = max(first, first + offset - slack)
        region = self._simple(first, last)[low - first : low - first + len(wanted) + 2 * slack]
        best = _best_run(wanted, list(region))
        if best is None or best[2] < least:
            return None
        head, tail = low + best[0], low + best[1] - 1
        return Found(self._starts[head], self._starts[tail] + len(self._words[tail]), "repaired")

    def _word_range(self, start: int, end: int) -> tuple[int, int]:
        """Indexes of the words that start in a range."""
        return bisect_right(self._starts, start - 1), bisect_right(self._starts, end - 1)

    def _simple_words(self, first: int, last: int) -> tuple[str, ...]:
        return tuple(_simple(word) for word in self._words[first:last])

    def _to_folded(self, position: int) -> int:
        index = bisect_right(self._starts, position) - 1
        if index < 0:
            return 0
        return self._folded_starts[index] + min(position - self._starts[index], len(self._words[index]))

    def _to_source(self, position: int) -> int:
        """Return the source position of a position in the folded text, which must be on a word."""
        index = bisect_right(self._folded_starts, position) - 1
        return self._starts[index] + position - self._folded_starts[index]


class Lookup:
    """Finds quotes one after the other. A repeated quote means its next place.

    `least` is the share of words that a quote without an exact place must have in common with the source.
    """

    def __init__(self, source: Source, start: int = 0, end: int | None = None, least: float = 0.75) -> None:
        self._source = source
        self._range = start, len(source.text) if end is None else end
        self._least = least
        self._further: dict[tuple[str, str], Iterator[Found]] = {}
        self._last: dict[tuple[str, str], Found | None] = {}

    def find(self, quote: str, label: str = "") -> Found | None:
        """Return the place of a quote, or None. Each label starts at the first place.

        If a quote is repeated more often than in the source, its last place is returned again.
        """
        key = label, fold(quote)
        if key not in self._further:
            self._further[key] = self._source.each_place(quote, *self._range)
            first = next(self._further[key], None)
            self._last[key] = first or self._source.closest(quote, *self._range, self._least)
        else:
            self._last[key] = next(self._further[key], self._last[key])
        return self._last[key]


def _simple(word: str) -> str:
    """A word without case and without the punctuation at its edges."""
    core = _CORE.search(word)
    return core[0].casefold() if core else word


def _diagonal(wanted: list[str], source: tuple[str, ...]) -> int | None:
    """Return the offset in the source at which most words of the quote agree, with a drift of a few words."""
    places: dict[str, list[int]] = defaultdict(list)
    for position, word in enumerate(source):
        places[word].append(position)
    votes: Counter[int] = Counter()
    for index, word in enumerate(wanted):
        found = places.get(word, [])
        if len(found) <= _COMMON:
            votes.update(position - index for position in found)
    if not votes:
        return None
    near = range(-_DRIFT, _DRIFT + 1)
    return max(votes, key=lambda offset: (sum(votes[offset + step] for step in near), votes[offset], -offset))


def _best_run(wanted: list[str], region: list[str]) -> tuple[int, int, float] | None:
    """Return start, end and agreement of the part of the region that matches the quote best."""
    matching = SequenceMatcher(None, wanted, region, autojunk=False).get_matching_blocks()[:-1]
    if not matching:
        return None
    blocks = _densest([(block.a, block.b, block.size) for block in matching])
    (first, head, _), (last, tail, size) = blocks[0], blocks[-1]
    missing = len(wanted) - last - size
    start = max(0, head - (first if first <= _DRIFT else 0))
    end = min(len(region), tail + size + (missing if missing <= _DRIFT else 0))
    common = sum(block[2] for block in blocks)
    return start, end, 2 * common / (len(wanted) + end - start)


def _densest(blocks: list[Block]) -> list[Block]:
    """Return the adjacent blocks with the best score: words in common, minus half the source words between blocks."""
    best, best_value = (0, 0), 0.0
    first, value = 0, 0.0
    for index, (_, position, size) in enumerate(blocks):
        gap = position - blocks[index - 1][1] - blocks[index - 1][2] if index else 0
        value -= gap / 2
        if value <= 0:
            first, value = index, 0.0
        value += size
        if value > best_value:
            best, best_value = (first, index), value
    return blocks[best[0] : best[1] + 1]
