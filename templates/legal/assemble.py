"""Builds the response about a document from the places of its clauses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from kit.text.quotes import Found, Source
from kit.text.windows import Window

from . import language, layout
from .schema import Clause, Extraction, Span, Unlocated
from .values import parties_in, values_in

_CONTEXT = 32  # code points of prefix and of suffix
_PLACES = 100  # other places listed for one clause
_ALL_PLACES = 20_000  # other places listed in one answer
_SEARCHES = 2_000
Confidences = Mapping[tuple[str, int, int], float]


def assemble(
    source: Source,
    found: Mapping[str, Iterable[Found]],
    wanted: Sequence[str],
    read: Iterable[Window],
    unlocated: Sequence[Unlocated] = (),
    confidence: Confidences | None = None,
) -> Extraction:
    """Return the clauses of the requested kinds, the kinds that were not found, and the parts that were not read.

    `found` maps a label to its places; `read` has the windows with a complete answer, in order.
    `confidence` has that of each place, by label, start and end.
    """
    places = sorted(((place, label) for label in wanted for place in found.get(label, ())), key=_order)
    elsewhere = _Elsewhere(source)
    known = confidence or {}
    clauses = [
        _clause(source.text, label, place, elsewhere.places(place), known.get((label, place.start, place.end)))
        for place, label in places
    ]
    present = {label for _, label in places}
    unread = _complement(read, len(source.text))
    return Extraction(
        clauses=tuple(clauses),
        not_present=tuple(label for label in wanted if label not in present),
        unlocated=tuple(each for each in unlocated if each.label in wanted),
        coverage=1 - sum(span.end - span.start for span in unread) / len(source.text),
        unread=unread,
        parties=parties_in(source.text),
        warnings=(*language.warnings_of(source.text), *layout.warnings_of(source.text)),
    )


def _order(found: tuple[Found, str]) -> tuple[int, int, str]:
    return found[0].start, found[0].end, found[1]


class _Elsewhere:
    """Finds other places of the same words. Limits on searches and results keep the time linear."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._searched: dict[str, list[Span]] = {}
        self._left = _ALL_PLACES

    def places(self, found: Found) -> tuple[Span, ...]:
        """Return the other places of a clause's words. Each text is searched only once."""
        if not self._left:
            return ()
        exact = self._source.text[found.start : found.end]
        if exact not in self._searched and len(self._searched) < _SEARCHES:
            same = self._source.places(exact, 0, len(self._source.text), most=_PLACES + 1)
            self._searched[exact] = [Span(start=each.start, end=each.end) for each in same]
        same_words = self._searched.get(exact, ())
        others = [each for each in same_words if each.end <= found.start or found.end <= each.start]
        listed = tuple(others[: min(_PLACES, self._left)])
        self._left -= len(listed)
        return listed


def _clause(text: str, label: str, place: Found, also_at: tuple[Span, ...], confidence: float | None = None) -> Clause:
    start, end = place.start, place.end
    return Clause(
        label=label,
        exact=text[start:end],
        start=start,
        end=end,
        prefix=text[max(0, start - _CONTEXT) : start],
        suffix=text[end : end + _CONTEXT],
        state=place.state,
        also_at=also_at,
        confidence=confidence,
        values=values_in(text, start, end),
    )


def _complement(read: Iterable[Window], length: int) -> tuple[Span, ...]:
    """Return the parts of 0…length that no window covers; the windows are in order."""
    gaps: list[Span] = []
    reached = 0
    for window in read:
        if window.start > reached:
            gaps.append(Span(start=reached, end=window.start))
        reached = max(reached, window.end)
    if reached < length:
        gaps.append(Span(start=reached, end=length))
    return tuple(gaps)
