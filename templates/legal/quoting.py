"""The model quotes clauses in full, by kind. For bases that copy exactly.

A quote is looked up in its window, and the response has the document's own text. A clause that is cut by a
window is quoted in pieces; because windows overlap, the pieces are joined again.
"""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from kit.task import Completion, UnreadableAnswer, parse_answer
from kit.text.quotes import Found, Lookup, Source, fold
from kit.text.windows import Window, windows

from .assemble import assemble
from .forms import Form
from .schema import Clause, Extraction, Span, Unlocated, quotes_type, spoken

# An unfinished string extends to the end of the text, so that no part of it is matched as another string.
_STRING = re.compile(r'(?P<string>"(?:[^"\\]|\\.)*+(?:"|(?P<endless>\\?\Z)))\s*(?P<colon>:?)', re.DOTALL)
_PIECE = 24  # a clause that is cut by a window is quoted if at least this many characters are visible


@dataclass(frozen=True)
class Quote:
    """A quote that the model wrote, not yet checked."""

    label: str
    words: str


@dataclass(frozen=True)
class Reading:
    """The answer about one window; `complete` is false if the answer was cut off, unreadable or full."""

    window: Window
    quotes: tuple[Quote, ...]
    complete: bool


@dataclass(frozen=True)
class Quoting(Form[Window]):
    """Windows of `size` bytes that share `overlap`, and `most` quotes of one kind in an answer."""

    categories: tuple[str, ...]
    size: int
    overlap: int
    most: int
    instruction: str = (
        "Quote the clauses of each kind from this part of a contract, word for word. Give [] where there is none."
    )

    def windows(self, text: str) -> list[Window]:
        """Return windows that overlap."""
        return windows(text, self.size, self.overlap)

    def shown(self, text: str, window: Window) -> str:
        """Return one line per paragraph, with single spaces and no other change."""
        return "\n".join(filter(None, map(fold, re.split(r"\n\s*\n", text[window.start : window.end]))))

    def answer_type(self, window: Window) -> type[BaseModel]:  # noqa: ARG002
        """Return the same type for every window."""
        return quotes_type(self.categories, self.most)

    def target(self, text: str, window: Window, clauses: Sequence[Clause]) -> BaseModel | None:
        """Return the visible part of each clause. If there are more than fit in a list, the last ones are left out."""
        answer: dict[str, list[str]] = {}
        for clause in clauses:
            if piece := fold(_visible(text, window, clause)):
                answer.setdefault(spoken(clause.label), []).append(piece)
        kept = {kind: quotes[: self.most - 1] for kind, quotes in answer.items()}
        return self.answer_type(window).model_validate(kept) if kept else None

    def read(self, text: str, completions: Sequence[Completion], wanted: Sequence[str]) -> Extraction:
        """Check every quote against the document."""
        source = Source(text)
        found: dict[str, list[Found]] = defaultdict(list)
        unlocated: list[Unlocated] = []
        readings = [self._reading(*each) for each in zip(self.windows(text), completions, strict=True)]
        surest: dict[str, list[tuple[Found, float]]] = defaultdict(list)
        for reading, completion in zip(readings, completions, strict=True):
            probability = math.exp(min(completion.logprobs, default=0.0))
            lookup = Lookup(source, reading.window.start, reading.window.end)
            for quote in reading.quotes:
                place = lookup.find(quote.words, quote.label)
                if place is None:
                    where = Span(start=reading.window.start, end=reading.window.end)
                    unlocated.append(Unlocated(label=quote.label, written=quote.words, window=where))
                else:
                    found[quote.label].append(place)
                    surest[quote.label].append((place, probability))
        whole = {label: list(_joined(places)) for label, places in found.items()}
        confidence = _confidences(whole, surest) if all(each.logprobs for each in completions) else None
        complete = [each.window for each in readings if each.complete]
        return assemble(source, whole, wanted, complete, unlocated, confidence)

    def _reading(self, window: Window, completion: Completion) -> Reading:
        """Read one answer. If it was cut off or is malformed, its finished quotes are kept."""
        try:
            parse_answer(self.answer_type(window), completion)
        except UnreadableAnswer:
            return Reading(window, tuple(_finished(completion.text, self.categories)), complete=False)
        answer: dict[str, list[str]] = json.loads(completion.text)
        quotes = tuple(Quote(label, words) for label in self.categories for words in answer.get(spoken(label), []))
        return Reading(window, quotes, all(len(each) < self.most for each in answer.values()))


def _confidences(
    whole: Mapping[str, Sequence[Found]], quoted: Mapping[str, Sequence[tuple[Found, float]]]
) -> dict[tuple[str, int, int], float]:
    """Return the probability of the surest answer that quoted each place, or a part of it."""
    found: dict[tuple[str, int, int], float] = {}
    for label, places in whole.items():
        ordered = sorted(quoted[label], key=lambda each: each[0].start)
        parts = iter(ordered)
        part = next(parts, None)
        for place in places:
            best = 0.0
            while part is not None and part[0].start < place.end:
                best = max(best, part[1])
                part = next(parts, None)
            found[label, place.start, place.end] = best
    return found


def _finished(text: str, categories: Sequence[str]) -> Iterator[Quote]:
    """Yield every finished string, with the kind named before it."""
    labels = {spoken(label): label for label in categories}
    label: str | None = None
    for match in _STRING.finditer(text):
        if match["endless"] is not None:
            return
        try:
            words = json.loads(match["string"], strict=False)
        except ValueError:
            continue
        if match["colon"]:
            label = labels.get(words)
        elif label is not None:
            yield Quote(label, words)


def _joined(places: Iterable[Found]) -> Iterator[Found]:
    """Yield the union of places that overlap: a clause seen by two windows, whole or in pieces, is one."""
    current: Found | None = None
    for place in sorted(places, key=lambda found: (found.start, found.end)):
        if current is None or place.start >= current.end:
            if current is not None:
                yield current
            current = place
        else:
            end = max(current.end, place.end)
            current = Found(current.start, end, "exact" if current.state == place.state == "exact" else "repaired")
    if current is not None:
        yield current


def _visible(text: str, window: Window, clause: Clause) -> str:
    """Return the part of a clause that is in a window, cut between words; empty if that is too short."""
    start, end = max(window.start, clause.start), min(window.end, clause.end)
    piece = text[start:end]
    if (start, end) == (clause.start, clause.end):
        return piece
    if start > clause.start and not text[start - 1].isspace():
        piece = piece.partition(" ")[2] or piece
    if end < clause.end and not text[end].isspace():
        piece = piece.rpartition(" ")[0] or piece
    return piece if len(piece) >= _PIECE else ""
