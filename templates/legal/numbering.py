"""The model answers with numbers and kinds of sentences. For small bases, which select well but copy badly.

Each sentence is followed by its number, so that a causal model has read the sentence before its number. The answer
names the numbers of the sentences in which clauses start. The model copies nothing, so it cannot misquote.
"""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import NamedTuple

from pydantic import BaseModel

from kit.task import Completion, UnreadableAnswer, parse_answer
from kit.text.quotes import Found, Source, fold
from kit.text.sentences import sentences
from kit.text.windows import Ruler, Window, last_boundary

from .assemble import assemble
from .forms import Form
from .schema import Clause, Extraction, numbers_type, spoken

_FINISHED = re.compile(r'"([1-9][0-9]{0,3})":(?:"([^"\\]*)"|\[("[^"\\]*"(?:,"[^"\\]*")*)[\],])')
_LEAST = 24  # a piece counts as a clause's start if it has this many of its characters, or the whole clause
_MARK = len(" [999]\n")


class Piece(NamedTuple):
    """A sentence, or a part of one that is longer than a window, and the start of its sentence, in code points."""

    start: int
    end: int
    sentence: int


@dataclass(frozen=True)
class Numbered(Window):
    """A window of whole pieces, numbered from 1."""

    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class Numbering(Form[Numbered]):
    """Windows of at most `size` bytes, the numbers included; every sentence is read in `readings` windows.

    A sentence is a clause if its mean probability over the readings is at least `threshold`. In one reading, that is
    the probability of the least certain token in the answer that names the sentence, or 0 if the answer does not.
    """

    categories: tuple[str, ...]
    size: int
    readings: int = 1
    threshold: float = 0.0
    instruction: str = "Which of these numbered sentences are clauses, and of what kind?"

    def windows(self, text: str) -> list[Numbered]:
        """Return the windows of all readings. In one reading they do not overlap; each reading has smaller ones."""
        sizes = [self.size - self.size * reading // (2 * self.readings) for reading in range(self.readings)]
        pieces = list(_pieces(text, sizes[-1] - _MARK))
        return [window for size in sizes for window in _packed(text, pieces, size)]

    def shown(self, text: str, window: Numbered) -> str:
        """Return one line per piece, with single spaces and its number in brackets at the end."""
        lines = (fold(text[piece.start : piece.end]) for piece in window.pieces)
        return "\n".join(f"{line} [{number}]" for number, line in enumerate(lines, 1))

    def answer_type(self, window: Numbered) -> type[BaseModel]:
        """Return a type that allows only the numbers of the window."""
        return numbers_type(self.categories, len(window.pieces))

    def target(self, text: str, window: Numbered, clauses: Sequence[Clause]) -> BaseModel | None:  # noqa: ARG002
        """Return the kind of each piece in which a clause starts or continues; or its kinds, in the clauses' order."""
        answer: dict[str, str | list[str]] = {}
        for number, piece in enumerate(window.pieces, 1):
            kinds = list(dict.fromkeys(spoken(clause.label) for clause in clauses if _shows(piece, clause)))
            if kinds:
                answer[str(number)] = kinds if len(kinds) > 1 else kinds[0]
        return self.answer_type(window).model_validate(answer) if answer else None

    def read(self, text: str, completions: Sequence[Completion], wanted: Sequence[str]) -> Extraction:
        """Return the named sentences. Pieces of one sentence are joined again."""
        labels = {spoken(label): label for label in self.categories}
        votes: dict[Piece, dict[str, float]] = defaultdict(dict)
        most: dict[Piece, int] = defaultdict(int)
        read: list[Window] = []
        windows = self.windows(text)
        for window, completion in zip(windows, completions, strict=True):
            answer, complete = self._reading(window, completion)
            probability = math.exp(min(completion.logprobs, default=0.0))
            for number, kinds in answer.items():
                if not 1 <= number <= len(window.pieces):
                    continue
                piece = window.pieces[number - 1]
                named = {labels[kind]: None for kind in kinds if kind in labels}
                most[piece] = max(most[piece], len(named))
                for label in named:
                    votes[piece][label] = votes[piece].get(label, 0.0) + probability
            read += [window] if complete else []
        cited = {piece.sentence for piece in votes}
        pieces = {piece for window in windows for piece in window.pieces if piece.sentence in cited}
        kinds_of = {piece: self._chosen(votes.get(piece, {}), most[piece]) for piece in sorted(pieces)}
        found: dict[str, list[Found]] = defaultdict(list)
        for label, place in _runs(kinds_of):
            start, end = _bare(text, place.start, place.end)
            found[label] += [Found(start, end, place.state)] if start < end else []
        confidence = self._confidences(text, found, votes) if all(each.logprobs for each in completions) else None
        return assemble(Source(text), found, wanted, sorted(read, key=lambda window: window.start), (), confidence)

    def _confidences(
        self, text: str, found: Mapping[str, Sequence[Found]], votes: Mapping[Piece, Mapping[str, float]]
    ) -> dict[tuple[str, int, int], float]:
        """Return the mean probability of each place over the readings: that of its surest piece."""
        best: dict[tuple[str, int], float] = {}
        for piece, labels in votes.items():
            for label, total in labels.items():
                key = label, piece.sentence
                best[key] = max(best.get(key, 0.0), min(total / self.readings, 1.0))
        starts = {_bare(text, piece.start, piece.end)[0]: piece.sentence for piece in votes}
        return {
            (label, place.start, place.end): best[label, starts[place.start]]
            for label, places in found.items()
            for place in places
            if place.start in starts and (label, starts[place.start]) in best
        }

    def _reading(self, window: Numbered, completion: Completion) -> tuple[Mapping[int, Sequence[str]], bool]:
        """Return kinds by number, and whether the answer is complete. If it was cut off, its finished part is used."""
        try:
            parse_answer(self.answer_type(window), completion)
            answer = json.loads(completion.text)
        except UnreadableAnswer:
            return _finished(completion.text), False
        return {int(number): [said] if isinstance(said, str) else said for number, said in answer.items()}, True

    def _chosen(self, votes: Mapping[str, float], most: int) -> tuple[str, ...]:
        """Return the labels with enough votes, most votes first: at most as many as one reading named."""
        ranked = sorted(votes.items(), key=lambda vote: -vote[1])[:most]
        return tuple(label for label, total in ranked if total / self.readings >= self.threshold)


def _bare(text: str, start: int, end: int) -> tuple[int, int]:
    """Return a range without the white space at its ends, which the cut of a long sentence can leave."""
    while end > start and text[end - 1].isspace():
        end -= 1
    while start < end and text[start].isspace():
        start += 1
    return start, end


def _finished(text: str) -> dict[int, list[str]]:
    """Return kinds by number, from the readable part of an answer that was cut off or is malformed."""
    return {int(number): [one] if one else re.findall(r'"(.*?)"', all) for number, one, all in _FINISHED.findall(text)}


def _packed(text: str, pieces: Sequence[Piece], size: int) -> Iterator[Numbered]:
    """Yield windows of as many pieces as fit. Each starts where the previous one ends."""
    groups: list[list[Piece]] = [[]]
    room = size
    for piece in pieces:
        need = len(fold(text[piece.start : piece.end]).encode()) + _MARK
        if groups[-1] and need > room:
            groups.append([])
            room = size
        groups[-1].append(piece)
        room -= need
    bounds = [0, *(group[0].start for group in groups[1:]), len(text)]
    for group, (start, end) in zip(groups, pairwise(bounds), strict=True):
        yield Numbered(start, end, tuple(group))


def _pieces(text: str, most: int) -> Iterator[Piece]:
    """Yield sentences. One of more than `most` bytes is cut into pieces at the end of a part or a word."""
    ruler = Ruler(text)
    for sentence in sentences(text):
        start = sentence.start
        while (limit := ruler.ahead(start, most)) < sentence.end:
            end = last_boundary(text, ruler.ahead(start, most // 2), limit)
            yield Piece(start, end, sentence.start)
            start = end
        yield Piece(start, sentence.end, sentence.start)


def _shows(piece: Piece, clause: Clause) -> bool:
    shared = min(piece.end, clause.end) - max(piece.start, clause.start)
    if clause.start >= piece.start:
        return shared >= min(_LEAST, clause.end - clause.start)
    return clause.start >= piece.sentence and shared * 2 > piece.end - piece.start


def _runs(kinds: Mapping[Piece, Sequence[str]]) -> Iterator[tuple[str, Found]]:
    """Yield every kind with its place: adjacent pieces of one sentence with the same kind are one place."""
    for _, sentence in groupby(kinds, key=lambda piece: piece.sentence):
        pieces = list(sentence)
        for kind in dict.fromkeys(kind for piece in pieces for kind in kinds[piece]):
            for named, run in groupby(pieces, key=lambda piece: kind in kinds[piece]):
                if named:
                    group = list(run)
                    yield kind, Found(group[0].start, group[-1].end, "exact")
