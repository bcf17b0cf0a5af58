"""Dates, amounts, percentages, periods and parties in the words of a contract, with a normal form beside the words.

Only what can be read in one way has a value: 03/04/2024 is a date whose day nobody knows, so its value is empty, as is
that of two (3) weeks. 31/12/2024 can only be the last day of a year.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal, InvalidOperation
from itertools import islice

from .schema import Party, Value

_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
_MONTH = "|".join(month.capitalize() for month in _MONTHS)
_SIGNS = {"$": "USD", "US$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY"}
_NAMES = {"dollars": "USD", "euros": "EUR", "pounds": "GBP", "pounds sterling": "GBP"}
_SCALES = {"": 1, "thousand": 10**3, "million": 10**6, "billion": 10**9}
_NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_WORDS = (
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
)  # fmt: skip
_UNITS = {"day": "D", "week": "W", "month": "M", "year": "Y"}
_MOST_ROLES = 200

_DATE = re.compile(
    rf"\b(?:(?P<year>\d{{4}})-(?P<month>\d\d)-(?P<day>\d\d)"
    rf"|(?P<name>{_MONTH})\s+(?P<day2>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<year2>\d{{4}})"
    rf"|(?P<day3>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:day\s+of\s+)?(?P<name3>{_MONTH}),?\s+(?P<year3>\d{{4}})"
    r"|(?P<unclear>\d{1,2}/\d{1,2}/\d{4}))\b"
)
_AMOUNT = re.compile(
    rf"(?:(?P<sign>US\$|[$€£¥])|\b(?P<code>USD|EUR|GBP|JPY|CHF|SEK)\s?)\s?(?P<number>{_NUMBER})"
    r"(?:\s(?P<scale>thousand|million|billion)\b)?"
    rf"|\b(?P<number2>{_NUMBER})(?:\s(?P<scale2>thousand|million|billion))?"
    r"\s(?P<name>dollars|euros|pounds sterling|pounds)\b"
)
_PERCENT = re.compile(rf"\b(?P<number>{_NUMBER})\s?(?:%|per\s?cent\b|percent\b)")
_PERIOD = re.compile(
    rf"\b(?:(?P<word>{'|'.join(_WORDS)})\b(?:\s\((?P<again>\d{{1,4}})\))?|(?:[a-z-]{{1,20}}\s\()?(?P<number>\d{{1,4}})\)?)\s"
    r"(?:calendar\s|business\s|consecutive\s)?(?P<unit>day|week|month|year)s?\b",
    re.IGNORECASE,
)
_ROLE = re.compile(
    r"\((?:(?:hereinafter|together|referred to as|called) )*(?:the )?[\"“](?:the )?([A-Z][\w ]{1,40})[\"”]\)"
)
_NAME = re.compile(r"[A-Z][\w&.'-]*(?:,? (?:[A-Z&][\w&.'-]*|of|and|de|van|von))*")
_BEFORE = 160  # characters before a role in which the name is looked for
_LINKS = ("This ", "The ", "Between ", "By ", "And ", "Agreement between ")


def values_in(text: str, start: int, end: int) -> tuple[Value, ...]:
    """Return the values in text[start:end], in its order, with offsets of the whole text; none overlaps another."""
    found: list[Value] = []
    reached = start
    readers: tuple[Callable[[str, int, int], Iterator[Value]], ...] = (_dates, _amounts, _percentages, _periods)
    every = (value for reader in readers for value in reader(text, start, end))
    for value in sorted(every, key=lambda value: (value.start, -value.end)):
        if value.start >= reached:
            found.append(value)
            reached = value.end
    return tuple(found)


def parties_in(text: str) -> tuple[Party, ...]:
    """Return who the document names as a party with a role in quotes, such as: Oakfold Ltd ("the Buyer")."""
    found: dict[str, Party] = {}
    for match in islice(_ROLE.finditer(text), _MOST_ROLES):
        role = " ".join(match[1].split())
        if role not in found and (party := _party(text, match.start(), role)):
            found[role] = party
    return tuple(found.values())


def _party(text: str, end: int, role: str) -> Party | None:
    """Return the last name before a role, on the same line or the one before; None if there is none."""
    begin = max(0, end - _BEFORE)
    before = text[begin:end].replace("\n", " ")
    begin += before.rfind(")") + 1  # what stands in brackets belongs to another party
    names = list(_NAME.finditer(text[begin:end].replace("\n", " ")))
    if not names:
        return None
    name, start = names[-1][0], begin + names[-1].start()
    for link in _LINKS:
        if name.startswith(link):
            name, start = name[len(link) :], start + len(link)
    name = name.rstrip(",")
    return Party(name=text[start : start + len(name)], role=role, start=start, end=start + len(name)) if name else None


def _value(kind: str, match: re.Match[str], normal: str) -> Value:
    return Value.model_validate(
        {"kind": kind, "words": match[0], "start": match.start(), "end": match.end(), "value": normal}
    )


def _dates(text: str, start: int, end: int) -> Iterator[Value]:
    for match in _DATE.finditer(text, start, end):
        yield _value("date", match, _iso(match))


def _iso(match: re.Match[str]) -> str:
    if match["unclear"]:
        return _slashed(match["unclear"])
    name = match["name"] or match["name3"]
    month = _MONTHS.index(name.lower()) + 1 if name else int(match["month"])
    year, day = match["year"] or match["year2"] or match["year3"], match["day"] or match["day2"] or match["day3"]
    try:
        return date(int(year), month, int(day)).isoformat()
    except ValueError:
        return ""


def _slashed(words: str) -> str:
    """Return a date with slashes in ISO form; empty if the order of day and month makes a difference."""
    first, second, year = map(int, words.split("/"))
    readings = set()
    for day, month in ((first, second), (second, first)):
        try:
            readings.add(date(year, month, day).isoformat())
        except ValueError:
            continue
    return readings.pop() if len(readings) == 1 else ""


def _amounts(text: str, start: int, end: int) -> Iterator[Value]:
    for match in _AMOUNT.finditer(text, start, end):
        currency = _SIGNS.get(match["sign"] or "", "") or match["code"] or _NAMES[match["name"]]
        number, scale = match["number"] or match["number2"], match["scale"] or match["scale2"] or ""
        yield _value("amount", match, f"{currency} {_decimal(number, _SCALES[scale])}")


def _percentages(text: str, start: int, end: int) -> Iterator[Value]:
    for match in _PERCENT.finditer(text, start, end):
        yield _value("percentage", match, _decimal(match["number"]))


def _periods(text: str, start: int, end: int) -> Iterator[Value]:
    for match in _PERIOD.finditer(text, start, end):
        count = int(match["number"]) if match["number"] else _WORDS.index(match["word"].lower()) + 1
        clear = not match["again"] or int(match["again"]) == count
        yield _value("period", match, f"P{count}{_UNITS[match['unit'].lower()]}" if clear else "")


def _decimal(number: str, scale: int = 1) -> str:
    try:
        value = Decimal(number.replace(",", "")) * scale
    except InvalidOperation:
        return ""
    whole = value.to_integral_value()
    return str(whole if value == whole else value.normalize())
