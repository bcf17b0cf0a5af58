"""Finds nearly equal documents by min-wise sketches of their five-word sequences (Broder 1997)."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_WORD = re.compile(r"\w+")
_RUN = 5
_BINS = 128
_BAND = 4
_EMPTY = 1 << 64

Sketch = tuple[int, ...]


@dataclass(frozen=True)
class Match:
    """A similar document, and the estimated share of sequences that both have in common (Jaccard)."""

    name: str
    similarity: float


class NearDuplicates:
    """Finds an earlier text that shares at least `threshold` of the five-word sequences with a new text.

    The similarity is an estimate from 128 bins: its standard error is at most 0.04 for texts of some hundred words.
    Time is linear in the number of documents, because each bucket remembers only its first.
    """

    def __init__(self, threshold: float = 0.8) -> None:
        self._threshold = threshold
        self._sketches: dict[str, Sketch] = {}
        self._buckets: dict[tuple[int, Sketch], str] = {}

    def add(self, name: str, text: str) -> None:
        """Remember a document."""
        sketch = sketch_of(text)
        self._sketches[name] = sketch
        for key in _bands(sketch):
            self._buckets.setdefault(key, name)

    def match(self, text: str) -> Match | None:
        """Return the most similar of the remembered documents that pass the threshold."""
        sketch = sketch_of(text)
        near = {self._buckets[key] for key in _bands(sketch) if key in self._buckets}
        found = [Match(name, similarity(sketch, self._sketches[name])) for name in sorted(near)]
        best = max(found, key=lambda match: match.similarity, default=None)
        return best if best is not None and best.similarity >= self._threshold else None


def sketch_of(text: str) -> Sketch:
    """Return the smallest hash of the five-word sequences in 128 bins (one-permutation hashing, Li et al. 2012)."""
    words = [zlib.crc32(word.encode("utf-8", "replace")) for word in _WORD.findall(text.lower())]
    words += [0] * (_RUN - len(words))
    smallest = [_EMPTY] * _BINS
    for value in {hash(run) & (_EMPTY - 1) for run in zip(*(words[shift:] for shift in range(_RUN)), strict=False)}:
        slot = value % _BINS
        if value < smallest[slot]:
            smallest[slot] = value
    return tuple(smallest)


def similarity(left: Sketch, right: Sketch) -> float:
    """Estimate the Jaccard similarity of two documents: the share of used bins that agree."""
    used = [(a, b) for a, b in zip(left, right, strict=True) if min(a, b) < _EMPTY]
    return sum(a == b for a, b in used) / len(used)


def words_of(value: Any) -> str:
    """Return all texts in a value made of mappings and lists, one per line."""
    return "\n".join(_texts(value))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _bands(sketch: Sketch) -> Iterator[tuple[int, Sketch]]:
    """Yield keys for buckets. Two documents with similarity 0.8 share a key with probability 1 - (1 - 0.8⁴)³²."""
    for start in range(0, _BINS, _BAND):
        band = sketch[start : start + _BAND]
        if min(band) < _EMPTY:
            yield start, band
