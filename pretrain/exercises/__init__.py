"""Exercises that are generated from texts: each turns a passage into pieces that end with an answer."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from pretrain.texts.documents import Document
from pretrain.texts.pieces import Piece

_SENTENCE_END = re.compile(r"(?<=[.!?;:])[\"”’')]*\s+(?=[\"“‘'(]?[A-Z0-9(])|\n\s*\n?")
_PARAGRAPH = re.compile(r"\n\s*\n")


@dataclass(frozen=True)
class Context:
    """The context of a passage: the documents of its set."""

    others: Sequence[Document]

    @cached_property
    def labels(self) -> list[str]:
        """All labels of the set, of documents and of marks, sorted."""
        marked = {mark.label for document in self.others for mark in document.marks}
        return sorted(marked | set(self.alike))

    @cached_property
    def alike(self) -> Mapping[str, list[Document]]:
        """The documents of each label."""
        found: dict[str, list[Document]] = {}
        for document in self.others:
            if document.label:
                found.setdefault(document.label, []).append(document)
        return found


Exercise = Callable[[Document, Context, random.Random], Iterator[Piece]]
"""Takes a passage (a document of a few hundred words), and yields pieces, or none if the passage does not fit."""


def passages(document: Document, draw: random.Random, shortest: int = 300, longest: int = 1600) -> Iterator[Document]:
    """Cut a long document into passages of random length, at line ends if possible."""
    text, start = document.text, 0
    if document.turns or len(text) <= longest:
        yield document
        return
    while len(text) - start > shortest:
        end = _boundary(text, start + draw.randint(shortest, longest))
        marks = tuple(
            replace(mark, start=mark.start - start, end=mark.end - start)
            for mark in document.marks
            if start <= mark.start < end
        )
        yield replace(document, text=text[start:end], marks=marks)
        start = end


def _boundary(text: str, near: int) -> int:
    """Return the nearest end of a line, or else of a word, before a position; the position itself if none is near."""
    for sign in ("\n", " "):
        found = text.rfind(sign, near - 250, near)
        if found > 0:
            return found + 1
    return min(near, len(text))


def sentences(text: str) -> list[str]:
    """Return the sentences and lines of a text that are long enough to be quoted, white space folded."""
    parts = (" ".join(part.split()) for part in _SENTENCE_END.split(text) if part)
    return [part for part in parts if 20 <= len(part) <= 400]


def tidy(text: str) -> str:
    """Return a text with one line per paragraph and single spaces."""
    return "\n".join(filter(None, (" ".join(part.split()) for part in _PARAGRAPH.split(text))))


def sample_names(names: Sequence[str], most: int, draw: random.Random) -> list[str]:
    """Sample up to `most` different names."""
    return draw.sample(names, min(most, len(names)))


def place_instruction(instruction: str, text: str, draw: random.Random) -> tuple[str, str]:
    """Return system and user text: the instruction before the text, after it, or in the system text."""
    kind = draw.random()
    if kind < 0.4:
        return instruction, text
    return "", f"{instruction}\n\n{text}" if kind < 0.7 else f"{text}\n\n{instruction}"
