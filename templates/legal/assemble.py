"""From what the model wrote about each window to one verified answer about the whole document."""

from __future__ import annotations

import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import BaseModel

from kit.task import Completion, UnreadableAnswer, parse_answer

from .locate import Found, Source, fold
from .schema import Clause, Extraction, Span, Unlocated, spoken
from .windows import Window

_CONTEXT = 32  # code points of prefix and of suffix
_PLACES = 100
_STRING = re.compile(r'(?P<string>"(?:[^"\\]|\\.)*")\s*(?P<colon>:?)')
_AGREEMENT = 0.75  # share of words that a quote must have in common with the source to be repaired


@dataclass(frozen=True)
class Quote:
    """One quote that the model wrote, before it is checked."""

    label: str
    words: str


@dataclass(frozen=True)
class Reading:
    """What the model wrote about one window; not `complete` where the answer was cut, unreadable or full.

    `probability` is that of the whole answer; 1 where the engine gave none.
    """

    window: Window
    quotes: tuple[Quote, ...]
    complete: bool
    probability: float = 1.0


def read_window(
    window: Window, completion: Completion, categories: Sequence[str], answer_type: type[BaseModel], most: int
) -> Reading:
    """Read one answer. Of one that was cut or is out of shape, the quotes that were finished are kept."""
    probability = math.exp(sum(completion.logprobs))
    try:
        parse_answer(answer_type, completion)
    except UnreadableAnswer:
        return Reading(window, tuple(_finished(completion.text, categories)), False, probability)
    answer: dict[str, list[str]] = json.loads(completion.text)
    quotes = tuple(Quote(label, words) for label in categories for words in answer.get(spoken(label), []))
    return Reading(window, quotes, all(len(each) < most for each in answer.values()), probability)


def _finished(text: str, categories: Sequence[str]) -> Iterator[Quote]:
    """Yield every string that ends, under the kind that was named before it."""
    labels = {spoken(label): label for label in categories}
    label: str | None = None
    for match in _STRING.finditer(text):
        try:
            words = json.loads(match["string"], strict=False)
        except ValueError:
            continue
        if match["colon"]:
            label = labels.get(words)
        elif label is not None:
            yield Quote(label, words)


def assemble(
    text: str, readings: Sequence[Reading], wanted: Sequence[str], openings: bool, one_kind: bool = False
) -> Extraction:
    """Locate every quote, join the pieces that overlapping windows gave, and say what was not read.

    Where quotes are `openings`, a clause goes from there to the end of its sentence. With `one_kind`, a clause that was
    quoted under several kinds is of the one that the windows found likeliest together.
    """
    source = Source(text)
    found: dict[str, list[Found]] = defaultdict(list)
    votes: dict[str, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    cut: set[int] = set()
    unlocated: list[Unlocated] = []
    for reading in readings:
        for quote, place in _places(source, reading, frozenset(wanted)):
            if place is None:
                window = Span(start=reading.window.start, end=reading.window.end)
                unlocated.append(Unlocated(label=quote.label, written=quote.words, window=window))
            else:
                found[quote.label].append(replace(place, end=source.sentence_end(place.end)) if openings else place)
                votes[quote.label][place.start] += reading.probability
                if not text[reading.window.start : place.start].strip():
                    cut.add(place.start)
    clauses = [_clause(source, label, place) for label, places in found.items() for place in _joined(places)]
    if one_kind:
        clauses = [each for group in _overlapping(clauses) for each in _likeliest(group, votes, cut)]
    present = {clause.label for clause in clauses}
    unread = _complement([reading.window for reading in readings if reading.complete], len(text))
    return Extraction(
        clauses=tuple(sorted(clauses, key=lambda clause: (clause.start, clause.end, clause.label))),
        not_present=tuple(label for label in wanted if label not in present),
        unlocated=tuple(unlocated),
        coverage=1 - sum(span.end - span.start for span in unread) / len(text),
        unread=unread,
    )


def _places(source: Source, reading: Reading, wanted: Collection[str]) -> Iterator[tuple[Quote, Found | None]]:
    """Yield each quote with its place; a sentence written twice is looked for twice."""
    start, end = reading.window.start, reading.window.end
    seen: Counter[tuple[str, str]] = Counter()
    for quote in reading.quotes:
        if quote.label not in wanted:
            continue
        key = (quote.label, fold(quote.words))
        seen[key] += 1
        places = source.places(quote.words, start, end, most=seen[key])
        yield quote, places[-1] if places else source.closest(quote.words, start, end, _AGREEMENT)


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


def _overlapping(clauses: Iterable[Clause]) -> Iterator[list[Clause]]:
    """Yield the clauses in groups of which none overlaps another group's."""
    group: list[Clause] = []
    reached = 0
    for clause in sorted(clauses, key=lambda each: each.start):
        if group and clause.start >= reached:
            yield group
            group = []
        group.append(clause)
        reached = max(reached, clause.end)
    if group:
        yield group


def _likeliest(
    clauses: Sequence[Clause], votes: Mapping[str, Mapping[int, float]], cut: Collection[int]
) -> Iterator[Clause]:
    """Yield of clauses that are the same but for their kind the one with the most votes.

    A vote is the probability of the answer that gave it. Clauses are the same where they start at one place, or where
    one lies in the other and starts at a place in `cut`: the beginning of a window, which may have cut it.
    """

    def weight(clause: Clause) -> float:
        return sum(each for start, each in votes[clause.label].items() if clause.start <= start < clause.end)

    def same(one: Clause, other: Clause) -> bool:
        first, second = sorted((one, other), key=lambda clause: clause.start)
        return first.start == second.start or (second.start < first.end and second.start in cut)

    left = sorted(clauses, key=weight, reverse=True)
    while left:
        best, *others = left
        yield best
        left = [each for each in others if not same(best, each)]


def _clause(source: Source, label: str, place: Found) -> Clause:
    text, start, end = source.text, place.start, place.end
    same = source.places(text[start:end], 0, len(text), most=_PLACES + 1)
    return Clause(
        label=label,
        exact=text[start:end],
        start=start,
        end=end,
        prefix=text[max(0, start - _CONTEXT) : start],
        suffix=text[end : end + _CONTEXT],
        state=place.state,
        also_at=tuple(
            Span(start=other.start, end=other.end) for other in same if other.end <= start or end <= other.start
        )[:_PLACES],
    )


def _complement(read: Iterable[Window], length: int) -> tuple[Span, ...]:
    """Return the parts of 0…length that lie in none of the windows, which come in order."""
    gaps: list[Span] = []
    reached = 0
    for window in read:
        if window.start > reached:
            gaps.append(Span(start=reached, end=window.start))
        reached = max(reached, window.end)
    if reached < length:
        gaps.append(Span(start=reached, end=length))
    return tuple(gaps)
