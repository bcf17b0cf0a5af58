"""From the places that were found in a document to one answer about the whole of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from .locate import Found, Source
from .schema import Clause, Extraction, Span, Unlocated
from .windows import Window

_CONTEXT = 32  # code points of prefix and of suffix
_PLACES = 100
_SEARCHES = 2_000


def assemble(
    source: Source,
    found: Mapping[str, Iterable[Found]],
    wanted: Sequence[str],
    read: Iterable[Window],
    unlocated: Sequence[Unlocated] = (),
) -> Extraction:
    """Return the clauses of the kinds that are wanted, what was not there, and what was not read.

    `found` holds the places under their labels, `read` the windows that were read to their end, in order.
    """
    places = sorted(((place, label) for label in wanted for place in found.get(label, ())), key=_order)
    searched: dict[str, list[Span]] = {}
    clauses = [_clause(source, label, place, searched) for place, label in places]
    present = {label for _, label in places}
    unread = _complement(read, len(source.text))
    return Extraction(
        clauses=tuple(clauses),
        not_present=tuple(label for label in wanted if label not in present),
        unlocated=tuple(each for each in unlocated if each.label in wanted),
        coverage=1 - sum(span.end - span.start for span in unread) / len(source.text),
        unread=unread,
    )


def _order(found: tuple[Found, str]) -> tuple[int, int, str]:
    return found[0].start, found[0].end, found[1]


def _clause(source: Source, label: str, place: Found, searched: dict[str, list[Span]]) -> Clause:
    """Return a clause; each text is searched for once, and so many texts at most that the time stays in proportion."""
    text, start, end = source.text, place.start, place.end
    exact = text[start:end]
    if exact not in searched and len(searched) < _SEARCHES:
        same = source.places(exact, 0, len(text), most=_PLACES + 1)
        searched[exact] = [Span(start=other.start, end=other.end) for other in same]
    return Clause(
        label=label,
        exact=exact,
        start=start,
        end=end,
        prefix=text[max(0, start - _CONTEXT) : start],
        suffix=text[end : end + _CONTEXT],
        state=place.state,
        also_at=tuple(other for other in searched.get(exact, ()) if other.end <= start or end <= other.start)[:_PLACES],
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
