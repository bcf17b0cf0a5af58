"""Periods in a text, and which period of the table each of them is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_NUMBERS = {"first": "1", "second": "2", "third": "3", "fourth": "4"}
_YEAR = r"(?P<year>(?:19|20)\d\d)"
_FORMS = (
    rf"\b(?P<part>[QH][1-4])(?:[ /-]|\s+of\s+)?(?:FY ?)?{_YEAR}(?![\d.,]\d|\d)",
    rf"\b{_YEAR}[ /-](?P<part>[QH][1-4])\b",
    r"\b(?P<part>Q[1-4]|H[12])\b(?![\d.,]*\d)",
    rf"\b(?P<named>(?:first|second|third|fourth) (?:quarter|half))(?: of)?(?: {_YEAR})?(?!\d)",
    r"\b(?P<back>(?:the )?(?:previous|prior|preceding|last) quarter|(?:a|one|the) quarter (?:earlier|before|ago)"
    r"|quarter[ -]on[ -]quarter)\b",
    r"\b(?P<year_back>(?:the )?(?:previous|prior|preceding|last) year(?:'s (?:same )?quarter)?"
    r"|(?:the same quarter )?(?:a|one|the) year (?:earlier|before|ago)|year[ -]on[ -]year)\b",
    rf"(?<![\w.,$€£¥+−–-])(?:FY ?)?{_YEAR}(?![\w%]|[.,]\d|[ -](?:{'{units}'}))",
)
_UNITS = r"thousand|million|billion|trillion|per cent|percent|percentage|basis|bps|pp|%|(?-i:[A-Z]{3}\b)"
_PATTERN = re.compile(
    "|".join(
        re.sub(r"\(\?P<(\w+)>", rf"(?P<\g<1>_{number}>", form.replace("{units}", _UNITS))
        for number, form in enumerate(_FORMS)
    ),
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Mention:
    """A period in the text. An absent part or year is empty; `back` counts quarters before the one in question."""

    start: int
    end: int
    year: str = ""
    part: str = ""
    back: int = 0


def mentions(text: str) -> list[Mention]:
    """Return every period that the text names, in order."""
    found = []
    for match in _PATTERN.finditer(text):
        groups = {key.rpartition("_")[0]: value for key, value in match.groupdict().items() if value}
        back = 1 if "back" in groups else 4 if "year_back" in groups else 0
        part = groups.get("part", "").upper()
        if "named" in groups:
            number, kind = groups["named"].casefold().split()
            part = ("Q" if kind == "quarter" else "H") + _NUMBERS[number]
        found.append(Mention(match.start(), match.end(), groups.get("year", ""), part, back))
    return found


def parts_of(period: str) -> tuple[int, str]:
    """Return year and part (such as Q3, or nothing for a whole year) of a period of the table."""
    head, year = period[:-4].strip(), int(period[-4:])
    return year, "" if head == "FY" else head


def order_of(period: str) -> tuple[int, int]:
    """Return a key that sorts periods by their ends: Q2, H1; then Q4, H2 and the year."""
    year, part = parts_of(period)
    quarter = 4 if not part else int(part[1]) * (2 if part[0] == "H" else 1)
    return year, quarter


def find(mention: Mention, known: Sequence[str], anchor: str) -> str | None:
    """Return the period of the table that a text names, or None. `anchor` is what "a year earlier" counts from."""
    year, part = parts_of(anchor)
    if mention.back:
        year, part = _before(year, part, mention.back)
        fits = [each for each in known if parts_of(each) == (year, part)]
        return fits[0] if fits else None
    fits = [
        each
        for each in known
        if (not mention.year or parts_of(each)[0] == int(mention.year)) and parts_of(each)[1] == mention.part
    ]
    close = [each for each in fits if parts_of(each)[0] == year]
    return next(iter(close if len(fits) > 1 else fits), None)


def _before(year: int, part: str, quarters: int) -> tuple[int, str]:
    if quarters == 4:
        return year - 1, part
    if not part.startswith("Q"):
        return year, "none"
    index = year * 4 + int(part[1]) - 1 - quarters
    return index // 4, f"Q{index % 4 + 1}"
