"""From the places that were found in a document to one answer about the whole of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from .locate import Found, Source
from .schema import Clause, Extraction, Span, Unlocated
from .windows import Window

_CONTEXT = 32  # code points of prefix and of suffix
_PLACES = 100


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
    places = [(label, place) for label in wanted for place in found.get(label, ())]
    clauses = [_clause(source, label, place) for label, place in places]
    present = {label for label, _ in places}
    unread = _complement(read, len(source.text))
    return Extraction(
        clauses=tuple(sorted(clauses, key=lambda clause: (clause.start, clause.end, clause.label))),
        not_present=tuple(label for label in wanted if label not in present),
        unlocated=tuple(each for each in unlocated if each.label in wanted),
        coverage=1 - sum(span.end - span.start for span in unread) / len(source.text),
        unread=unread,
    )


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
