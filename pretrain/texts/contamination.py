"""Remove evaluated texts from the training texts, by shared runs of thirteen words (Brown et al. 2020, appendix C)."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from pretrain.texts.documents import Document

RUN = 13
PHRASE = 5
"""A run in more training documents than this is a common phrase, such as boilerplate of contracts."""
MOST_CUT = 0.2
"""A document that would lose a larger share than this is dropped."""

_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Cleaned:
    """The documents without evaluated passages, the number of dropped ones, and the number of cut ones."""

    documents: list[Document]
    dropped: int
    cut: int


class Evaluated:
    """The runs of words in all evaluated texts."""

    def __init__(self, documents: Iterable[Document]) -> None:
        self._runs: set[int] = set()
        self._short: set[tuple[int, ...]] = set()
        for document in documents:
            words = _words(document.text)
            if 0 < len(words) < RUN:
                self._short.add(tuple(words))
            self._runs.update(_runs(words))

    def clean(self, documents: Sequence[Document]) -> Cleaned:
        """Cut shared passages out of plain documents; drop dialogues and queries that have one."""
        found = [self._places(document.text) for document in documents]
        counts = Counter(run for places in found for run in set(places.values()))
        kept: list[Document] = []
        cut = 0
        for document, places in zip(documents, found, strict=True):
            starts = [start for start, run in places.items() if counts[run] <= PHRASE]
            rest = self._rest(document, starts)
            if rest is not None:
                kept.append(rest)
                cut += rest is not document
        return Cleaned(kept, len(documents) - len(kept), cut)

    def _places(self, text: str) -> dict[int, int]:
        """Return the shared runs by the index of their first word; a short text is one run."""
        words = _words(text)
        if len(words) < RUN:
            return {0: hash(tuple(words))} if tuple(words) in self._short else {}
        return {start: run for start, run in enumerate(_runs(words)) if run in self._runs}

    @staticmethod
    def _rest(document: Document, starts: Sequence[int]) -> Document | None:
        if not starts:
            return document
        if document.turns or document.label:
            return None
        words = list(_WORD.finditer(document.text))
        gone = _merged((start, min(start + RUN, len(words))) for start in starts)
        if sum(end - start for start, end in gone) > MOST_CUT * len(words):
            return None
        return _without(document, [(words[start].start(), words[end - 1].end()) for start, end in gone])


def _without(document: Document, gone: Sequence[tuple[int, int]]) -> Document:
    """Cut spans out of a document; marks that overlap one are removed, and the others are shifted."""
    kept, at = [], 0
    for start, end in gone:
        kept.append(document.text[at:start])
        at = end
    kept.append(document.text[at:])
    marks = []
    for mark in document.marks:
        if any(start < mark.end and mark.start < end for start, end in gone):
            continue
        shift = sum(end - start for start, end in gone if end <= mark.start)
        marks.append(replace(mark, start=mark.start - shift, end=mark.end - shift))
    return replace(document, text="".join(kept), marks=tuple(marks))


def _words(text: str) -> list[int]:
    return [zlib.crc32(word.encode("utf-8", "replace")) for word in map(str.lower, _WORD.findall(text))]


def _runs(words: Sequence[int]) -> Iterator[int]:
    return map(hash, zip(*(words[shift:] for shift in range(RUN)), strict=False))


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
