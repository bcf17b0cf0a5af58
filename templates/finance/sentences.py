"""Takes a report apart: its sentences, and the measures, periods, figures and directions in them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .amounts import Amount, amounts
from .directions import Direction, directions
from .periods import Mention, find, mentions
from .table import Table

_END = re.compile(r"(?<=[.!?;])\s+|\n+")
_GLUE = r"\s*,?\s*\(?(?:(?:in|for|at|of|during|the|end)\s+)*"
_BASE = r"from|than|compared\s+with|compared\s+to|against|versus|vs\.?|on|over|since|after|as"
_BASE_GLUE = rf"\s*,?\s*(?:(?:higher|lower|more|less)\s+)?(?:{_BASE})\s+(?:(?:in|the)\s+)*"
_BASE_BEFORE = re.compile(rf"\b(?:{_BASE})\s+(?:(?:in|the|a|loss|profit|of)\s+)*$", re.IGNORECASE)
_AGAIN = re.compile(r"\W*(?:(?:in|for|at)\b\W*)?(?:it|this|that|they|these)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Sentence:
    """A sentence, the measure that a pronoun at its start means, and the period carried over from earlier ones."""

    start: int
    end: int
    measure: str | None
    period: Mention | None


class Reading:
    """What a text says, by place. In `plain`, measures and periods are blanked, so that their words mean nothing."""

    def __init__(self, text: str, table: Table) -> None:
        self.text, self.table = text, table
        names = sorted(table.names, key=len, reverse=True)
        pattern = "|".join(r"\s+".join(map(re.escape, name.split())) for name in names)
        named = list(re.finditer(rf"(?<!\w)(?:{pattern})(?!\w)", text, re.IGNORECASE))
        self.measures = [(each.start(), " ".join(each.group().casefold().split())) for each in named]
        without = _blank(text, [each.span() for each in named])
        self.mentions = mentions(without)
        self.plain = _blank(without, [(each.start, each.end) for each in self.mentions])
        nouns = {unit.of for unit in table.units.values() if unit.kind == "count" and unit.of}
        self.noun = "|".join(map(re.escape, sorted(nouns, key=len, reverse=True))) or "(?!)"
        self.amounts, self.directions = amounts(self.plain, self.noun), directions(self.plain)
        self._bases = {each.start for each in self.mentions if self._is_base(each)}

    def sentences(self) -> Iterator[Sentence]:
        """Yield the sentences in order."""
        start, measure, period = 0, None, None
        for end in [*(gap.end() for gap in _END.finditer(self.text)), len(self.text)]:
            again = _AGAIN.match(self.plain[start:end])
            yield Sentence(start, end, measure if again else None, period)
            named = [name for place, name in self.measures if start <= place < end]
            measure = named[-1] if named else measure if again else None
            main = self._main(start, end)
            start, period = end, main[-1] if main else period

    def within(self, sentence: Sentence) -> tuple[list[Amount], list[Direction]]:
        """Return the figures and the directions of a sentence."""
        here = range(sentence.start, sentence.end)
        return [each for each in self.amounts if each.start in here], [
            each for each in self.directions if each.start in here
        ]

    def before(self, amount: Amount, sentence: Sentence) -> tuple[int, str]:
        """Return the plain words between the figure before (or the start of the sentence) and this one."""
        ends = [each.end for each in self.amounts if sentence.start <= each.start < amount.start]
        start = max([sentence.start, *ends])
        return start, self.plain[start : amount.start]

    def after_base(self, place: int) -> bool:
        """Whether a word such as "from" or "against" stands before a place."""
        return _BASE_BEFORE.search(self.plain[:place]) is not None

    def measure_at(self, place: int, sentence: Sentence) -> str | None:
        """The measure last named before a place in its sentence, or else the first after it."""
        inside = [(at, name) for at, name in self.measures if sentence.start <= at < sentence.end]
        before = [name for at, name in inside if at < place]
        return before[-1] if before else inside[0][1] if inside else sentence.measure

    def period_at(self, start: int, end: int, measure: str, sentence: Sentence, change: bool) -> str | None:
        """The period of what stands from start to end; None if the table does not have it.

        After a change, "a year earlier" is not its own period but that which it is counted from.
        """
        latest = self.table.periods_of(measure)[-1]
        before, after = self._main(sentence.start, start), self._main(start, sentence.end)
        after = [each for each in after if change and not self._heads(each)]
        main = before[-1] if before else after[0] if after else sentence.period
        anchor = latest if main is None else find(main, self.table.periods, latest)
        own = self._next(end, _GLUE)
        return anchor if own is None or (change and own.back) else find(own, self.table.periods, anchor or latest)

    def adjoins(self, amount: Amount, place: int) -> bool:
        """Whether nothing but the unit's noun is between a figure and a place after it."""
        return bool(re.fullmatch(rf"\s*(?:{self.noun})?\s*", self.plain[amount.end : place], re.IGNORECASE))

    def dated(self, end: int) -> bool:
        """Whether a period is named right after a figure."""
        return self._next(end, _GLUE) is not None

    def base_after(self, end: int) -> Mention | None:
        """The period that a change is counted from, if it is named right after it."""
        found = self._next(end, _BASE_GLUE)
        own = self._next(end, _GLUE)
        return found or (own if own is not None and own.back else None)

    def _main(self, start: int, end: int) -> Sequence[Mention]:
        return [each for each in self.mentions if start <= each.start < end and each.start not in self._bases]

    def _next(self, end: int, glue: str) -> Mention | None:
        gap = re.compile(rf"(?:\s*(?:{self.noun})\b)?{glue}", re.IGNORECASE).match(self.plain, end)
        found = next((each for each in self.mentions if gap is not None and each.start == gap.end()), None)
        return None if found is None or self._heads(found) else found

    def _heads(self, mention: Mention) -> bool:
        """Whether a period stands before what belongs to it, as in "Q2 2031: USD 12.6 million"."""
        return self.text[mention.end : mention.end + 1] == ":"

    def _is_base(self, mention: Mention) -> bool:
        if mention.back or self.after_base(mention.start):
            return True
        owners = [each for each in self.amounts if self._next(each.end, _GLUE) == mention]
        return any(self.after_base(each.start) for each in owners)


def _blank(text: str, spans: Sequence[tuple[int, int]]) -> str:
    for start, end in spans:
        text = text[:start] + "\x00" * (end - start) + text[end:]
    return text
