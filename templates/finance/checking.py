"""Checks each figure of a report against the table: measure, unit, sign, period and amount.

A figure belongs to the measure that its sentence names last before it, or else first after it; to the period right
after it, or else the one that the sentence or an earlier one named before it, or else the latest of the measure.
Whatever cannot be told is unsupported.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from .amounts import Amount
from .directions import Direction, is_level, loss_before
from .periods import find
from .schema import Figure, ReportResponse, Row
from .sentences import Reading, Sentence
from .slips import slip
from .table import Table, close

Kind = Literal["value", "difference", "percent_change", "direction"]
_OR = re.compile(r"\s*(?:[^\W\d_]+\s*){0,2}?(?:,|\(|,?\s*\b(?:or|that is),?)\s*\(?")
_STOP = re.compile(
    r"\s*(?:$|[.,;:!?)\x00]|(?:in|at|for|and|or|from|to|by|against|compared|versus|than|up|down|a|the|on|while|but|higher"
    r"|lower|more|less)\b)"
)


@dataclass(frozen=True)
class Claim:
    """What a figure says: an amount of a kind, of a measure in a period, compared with one of some earlier periods."""

    kind: Kind
    number: Decimal
    measure: str
    period: str
    bases: Sequence[str] = ()


def check(text: str, rows: Sequence[Row]) -> ReportResponse:
    """Return the text with every figure of it and the state of each."""
    figures = tuple(sorted(_Checker(text, Table(rows)).figures(), key=lambda each: each.start))
    sound = bool(figures) and all(figure.state == "supported" for figure in figures)
    return ReportResponse(text=text, figures=figures, status="ok" if sound else "flagged")


class _Checker:
    def __init__(self, text: str, table: Table) -> None:
        self.reading, self.table = Reading(text, table), table

    def figures(self) -> Iterator[Figure]:
        for sentence in self.reading.sentences():
            amounts, words = self.reading.within(sentence)
            used: set[int] = set()
            word: Direction | None = None
            for amount in amounts:
                again = _OR.fullmatch(self.reading.before(amount, sentence)[1]) is not None
                word = (word if again else None) or self._direction_of(amount, sentence, words)
                used |= {word.start} if word else set()
                yield self._judge(amount, word, sentence)
            for word in words:
                if word.start not in used:
                    yield from self._contradicted(word, sentence)

    def _direction_of(self, amount: Amount, sentence: Sentence, words: Sequence[Direction]) -> Direction | None:
        """The word that makes a figure a change, such as "rose by 5 %" or "5 % higher"."""
        start, before = self.reading.before(amount, sentence)
        words = [word for word in words if word.up is not None]
        earlier = [word for word in words if start <= word.start < amount.start]
        if earlier and not is_level(before):
            return earlier[-1]
        later = [word for word in words if word.start >= amount.end and not word.short]
        return next((word for word in later if self.reading.adjoins(amount, word.start)), None)

    def _judge(self, amount: Amount, word: Direction | None, sentence: Sentence) -> Figure:
        measure = self.reading.measure_at(amount.start, sentence)
        if measure is None:
            return self._figure(amount, "value", reason="its sentence names no measure of the table")
        kind = self._kind(amount, word, measure)
        if amount.number is None or amount.unit is None:
            return self._figure(amount, kind, measure, reason="it is not written in plain digits with a known unit")
        lost = kind == "value" and loss_before(self.reading.before(amount, sentence)[1])
        problem = self._unit_problem(amount, kind, measure) or _sign_problem(amount, word, lost)
        if problem:
            return self._figure(amount, kind, measure, reason=problem)
        period = self.reading.period_at(amount.start, amount.end, measure, sentence, kind != "value")
        if period is None or self.table.value(measure, period) is None:
            return self._figure(amount, kind, measure, reason="the table has no such period of this measure")
        return self._compare(amount, word, kind, measure, period, sentence)

    def _compare(
        self, amount: Amount, word: Direction | None, kind: Kind, measure: str, period: str, sentence: Sentence
    ) -> Figure:
        number = self._signed(amount, word, sentence)
        claim = Claim(kind, number, measure, period, self._bases(amount.end, measure, period))
        if kind != "value":
            for base in claim.bases:
                if number and close(number, amount.step, self._change(kind, measure, period, base), None):
                    return self._figure(amount, kind, measure, number, period, base)
        elif self.reading.after_base(amount.start) and not self.reading.dated(amount.end):
            for base in self.table.earlier(measure, period):
                if close(number, amount.step, self.table.amount(measure, base)):
                    return self._figure(amount, kind, measure, number, base)
        elif close(number, amount.step, self.table.amount(measure, period)):
            return self._figure(amount, kind, measure, number, period)
        reason = slip(self.table, kind, number, amount.step, measure, period)
        return self._figure(amount, kind, measure, number, period, reason=reason)

    def _contradicted(self, word: Direction, sentence: Sentence) -> Iterator[Figure]:
        """Yield a rise or fall that no earlier period bears out. Without a measure, there is nothing to check."""
        measure = self.reading.measure_at(word.start, sentence)
        if measure is None or word.vague:
            return
        period = self.reading.period_at(word.start, word.end, measure, sentence, change=True)
        bases = self._bases(word.end, measure, period) if period else ()
        changes = [self.table.difference(measure, period, base) for base in bases] if period else []
        borne_out = any(change is not None and _fits(change, word.up) != word.denied for change in changes)
        if not borne_out:
            reason = "the table does not show this rise or fall"
            yield self._figure(word, "direction", measure, None, period, reason=reason)

    # --- parts of the above -----------------------------------------------------------------------------------------

    def _kind(self, amount: Amount, word: Direction | None, measure: str) -> Kind:
        unit, own = amount.unit, self.table.units[measure]
        alone = amount.signed and unit is not None and unit.kind in ("percent", "points") and own.kind != unit.kind
        if word is None and not alone:
            return "value"
        return "percent_change" if unit is not None and unit.kind == "percent" else "difference"

    def _unit_problem(self, amount: Amount, kind: Kind, measure: str) -> str | None:
        own, unit = self.table.units[measure], amount.unit
        wanted = "points" if kind == "difference" and own.kind == "percent" else own.kind
        if unit is None or kind == "percent_change":
            return None
        if unit.kind != wanted or (own.kind == "money" and unit.of != own.of):
            return f"its unit is not that of the table, {self.table.written_units[measure]}"
        if own.kind == "count" and not self._counts(self.reading.plain[amount.end :].casefold(), own.of):
            return f"it does not count {own.of or 'what the table counts'}"
        return None

    def _counts(self, after: str, noun: str) -> bool:
        stem = noun.removesuffix("s")
        return bool(stem and after.lstrip().startswith(stem)) or _STOP.match(after) is not None

    def _signed(self, amount: Amount, word: Direction | None, sentence: Sentence) -> Decimal:
        number = amount.number or Decimal(0)
        if word is not None:
            return abs(number) if word.up else -abs(number)
        return -abs(number) if loss_before(self.reading.before(amount, sentence)[1]) else number

    def _bases(self, end: int, measure: str, period: str) -> list[str]:
        named = self.reading.base_after(end)
        earlier = self.table.earlier(measure, period)
        if named is None:
            return earlier
        found = find(named, self.table.periods, period)
        return [base for base in earlier if base == found]

    def _change(self, kind: Kind, measure: str, period: str, base: str) -> Decimal | None:
        of = self.table.percent_change if kind == "percent_change" else self.table.difference
        return of(measure, period, base)

    def _figure(
        self,
        part: Amount | Direction,
        kind: Kind,
        measure: str | None = None,
        number: Decimal | None = None,
        period: str | None = None,
        base: str | None = None,
        *,
        reason: str | None = None,
    ) -> Figure:
        return Figure(
            quote=self.reading.text[part.start : part.end],
            start=part.start,
            end=part.end,
            state="unsupported" if reason else "supported",
            kind=kind,
            measure=self.table.names[measure] if measure else None,
            unit=self.table.written_units[measure] if measure else None,
            sign=None if number is None else "-" if number < 0 else "+",
            period=period,
            compared_with=base,
            reason=reason,
        )


def _fits(change: Decimal, up: bool | None) -> bool:
    return change == 0 if up is None else change != 0 and (change > 0) == up


def _sign_problem(amount: Amount, word: Direction | None, lost: bool) -> str | None:
    if word is not None and word.denied:
        return "the text denies this change"
    negative = amount.signed and amount.number is not None and amount.number < 0
    if (negative and lost) or (word is not None and amount.signed and negative == word.up):
        return "its sign and the words before it contradict each other"
    return None
