"""The model gives the numbers of sentences, with their kinds: for small bases, which choose well and copy badly.

Each sentence is followed by its number, so that a causal model has read the sentence when it comes to the number; the
answer names the numbers of the sentences in which clauses begin. Nothing is copied, so nothing can be misquoted.
"""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from pydantic import BaseModel

from kit.task import Completion, UnreadableAnswer, parse_answer

from .assemble import assemble
from .forms import Form
from .locate import Found, Source, fold
from .schema import Clause, Extraction, numbers_type, spoken
from .sentences import sentences
from .windows import Ruler, Window, last_boundary

_FINISHED = re.compile(r'"([1-9][0-9]{0,3})":"([^"\\]*)"')
_BEGUN = 24  # a clause begins in a piece that shows this many characters of it, or all
_MARK = len(" [999]\n")


@dataclass(frozen=True, order=True)
class Piece:
    """A sentence, or a part of one that is longer than a window, and where its sentence begins; in code points."""

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

    A sentence is a clause where the mean probability that the readings give it is at least `threshold`. A reading gives
    it the probability of the least certain token of the answer that names it, and 0 where none does.
    """

    categories: tuple[str, ...]
    size: int
    readings: int = 1
    threshold: float = 0.0
    instruction: str = "Which of these numbered sentences are clauses, and of what kind?"

    def windows(self, text: str) -> list[Numbered]:
        """Return the windows of each reading, in which windows do not overlap; those of the next one are smaller."""
        sizes = [self.size - self.size * reading // (2 * self.readings) for reading in range(self.readings)]
        pieces = list(_pieces(text, sizes[-1] - _MARK))
        return [window for size in sizes for window in _packed(text, pieces, size)]

    def shown(self, text: str, window: Numbered) -> str:
        """Return one line per piece, single spaces, its number in brackets at the end."""
        lines = (fold(text[piece.start : piece.end]) for piece in window.pieces)
        return "\n".join(f"{line} [{number}]" for number, line in enumerate(lines, 1))

    def answer_type(self, window: Numbered) -> type[BaseModel]:
        """Return a type that has no other numbers than the window."""
        return numbers_type(self.categories, len(window.pieces))

    def target(self, text: str, window: Numbered, clauses: Sequence[Clause]) -> BaseModel | None:  # noqa: ARG002
        """Return the kind of each piece in which a clause begins or goes on; of several, the first one's."""
        answer = {}
        for number, piece in enumerate(window.pieces, 1):
            kind = next((spoken(clause.label) for clause in clauses if _shows(piece, clause)), None)
            if kind is not None:
                answer[str(number)] = kind
        return self.answer_type(window).model_validate(answer) if answer else None

    def read(self, text: str, completions: Sequence[Completion], wanted: Sequence[str]) -> Extraction:
        """Return the sentences that were named; pieces of one sentence are put together again."""
        labels = {spoken(label): label for label in self.categories}
        votes: dict[Piece, dict[str, float]] = {}
        read: list[Window] = []
        for window, completion in zip(self.windows(text), completions, strict=True):
            answer, complete = self._reading(window, completion)
            probability = math.exp(min(completion.logprobs, default=0.0))
            for number, piece in enumerate(window.pieces, 1):
                given = votes.setdefault(piece, {})
                if label := labels.get(answer.get(number, "")):
                    given[label] = given.get(label, 0.0) + probability
            read += [window] if complete else []
        found: dict[str, list[Found]] = defaultdict(list)
        for label, place in _runs({piece: self._chosen(votes[piece]) for piece in sorted(votes)}):
            found[label].append(place)
        return assemble(Source(text), found, wanted, sorted(read, key=lambda window: window.start))

    def _reading(self, window: Numbered, completion: Completion) -> tuple[Mapping[int, str], bool]:
        """Return kinds by number, and whether that is all. Of an answer that was cut, the finished ones are kept."""
        try:
            parse_answer(self.answer_type(window), completion)
            pairs, complete = json.loads(completion.text).items(), True
        except UnreadableAnswer:
            pairs, complete = _FINISHED.findall(completion.text), False
        return {int(number): kind for number, kind in pairs}, complete

    def _chosen(self, votes: Mapping[str, float]) -> str | None:
        """Return the label with the most votes, if they are enough."""
        label, total = max(votes.items(), key=lambda vote: vote[1], default=("", 0.0))
        return label if label and total / self.readings >= self.threshold else None


def _packed(text: str, pieces: Sequence[Piece], size: int) -> Iterator[Numbered]:
    """Yield windows of as many pieces as fit; each begins where the one before ends."""
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
    """Yield sentences, and those of more than `most` bytes in pieces that end where a part or a word does."""
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
        return shared >= min(_BEGUN, clause.end - clause.start)
    return clause.start >= piece.sentence and shared * 2 > piece.end - piece.start


def _runs(kinds: Mapping[Piece, str | None]) -> Iterator[tuple[str, Found]]:
    """Yield every kind with its place: neighbouring pieces of one sentence that are of one kind are one place."""
    for (_, kind), run in groupby(kinds, key=lambda piece: (piece.sentence, kinds[piece])):
        if kind is not None:
            pieces = list(run)
            yield kind, Found(pieces[0].start, pieces[-1].end, "exact")
