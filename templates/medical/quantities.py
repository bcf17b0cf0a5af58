"""Finds the amounts of an answer that its passages do not have.

An amount is a number with the unit after it, or a bare number. Nothing is converted: "0.5 g" is not "500 mg". So a
right answer in another unit is withheld as well; that is the safe side.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

_SMALL = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety", "hundred")
_WORDS = {word: str(number) for number, word in enumerate(_SMALL)}
_WORDS |= {word: str(10 * number) for number, word in enumerate(_TENS, start=2)}
_UNITS = {
    "mg": "mg milligram milligrams milligramme milligrammes",
    "ug": "ug mcg microgram micrograms microgramme microgrammes",
    "g": "g gram grams gramme grammes",
    "kg": "kg kilogram kilograms kilo kilos",
    "ml": "ml millilitre millilitres milliliter milliliters cc",
    "l": "l litre litres liter liters",
    "dl": "dl decilitre decilitres deciliter deciliters",
    "mmol": "mmol millimole millimoles",
    "mol": "mol mole moles",
    "mmhg": "mmhg",
    "iu": "iu unit units",
    "%": "% percent pct",
    "cm": "cm centimetre centimetres centimeter centimeters",
    "mm": "mm millimetre millimetres millimeter millimeters",
    "bpm": "bpm beats",
    "c": "°c celsius",
    "f": "°f fahrenheit",
    "second": "s sec second seconds",
    "minute": "min minute minutes",
    "hour": "h hr hrs hour hours",
    "day": "d day days daily",
    "week": "wk week weeks",
    "month": "month months",
    "year": "yr yrs year years",
    "time": "time times x",
    "tablet": "tablet tablets tab tabs",
    "capsule": "capsule capsules",
    "drop": "drop drops",
    "puff": "puff puffs",
    "patient": "patient patients people person persons participants women men children adults",
    "point": "point points",
}
_KNOWN = {name: unit for unit, names in _UNITS.items() for name in names.split()}
_NUMBER = r"\d+(?:[.,\u00b7]\d+)*"
_UNIT = "|".join(sorted(map(re.escape, _KNOWN), key=len, reverse=True))
_AMOUNT = re.compile(rf"(?P<number>{_NUMBER})(?P<gap>[\s-]*)(?P<unit>(?:{_UNIT})(?!\w))?", re.IGNORECASE)
_LINK = re.compile(r"\s*(?:-|to|or|and|/|±)\s*", re.IGNORECASE)
_SPELLED = "|".join(_WORDS)
# A number word is an amount only before a unit: "one of them" says nothing that can be checked.
_WORD = re.compile(
    rf"\b({_SPELLED})\b(?=[\s-]*(?:(?:to|or|and|-|{_SPELLED})[\s-]+(?:(?:{_SPELLED})\b[\s-]*|\d+\s*))?(?:{_UNIT})(?!\w))",
    re.IGNORECASE,
)
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_SPACED = re.compile(r"(?<=\d)[\u00a0\u2009\u202f](?=\d{3}(?!\d))")


@dataclass(frozen=True)
class Amount:
    """A number, its unit ("" if it has none), and how the text writes it."""

    number: Decimal
    unit: str
    text: str


def unsupported(answer: str, passages: Iterable[str]) -> tuple[str, ...]:
    """Return the amounts of an answer, as written, that no passage has; each once."""
    known = [amount for passage in passages for amount in amounts(passage)]
    pairs = {(amount.number, amount.unit) for amount in known}
    numbers = {amount.number for amount in known}
    wrong = [
        amount.text
        for amount in amounts(answer)
        if (amount.number, amount.unit) not in pairs and (amount.unit or amount.number not in numbers)
    ]
    return tuple(dict.fromkeys(wrong))


def amounts(text: str) -> list[Amount]:
    """Return every amount of a text. In "5 to 10 mg" and "120/80 mmHg" both numbers have the unit."""
    plain = _plain(text)
    found = list(_AMOUNT.finditer(plain))
    result: list[Amount] = []
    unit, later = "", None
    for match in reversed(found):
        own = _KNOWN.get((match["unit"] or "").casefold(), "")
        between = plain[match.end() : later.start()] if later else ""
        shared = bool(later) and not own and _LINK.fullmatch(match["gap"] + between) is not None
        unit = own or (unit if shared else "")
        result.append(Amount(_value(match["number"]), unit, match.group().strip(" -\n\t")))
        later = match
    return result[::-1]


def _plain(text: str) -> str:
    """Write digits, dashes, micro signs and number words in one way."""
    folded = unicodedata.normalize("NFKC", _SPACED.sub("", text)).replace("\u03bc", "u").replace("\u00b5", "u")
    for dash in "\u2010\u2011\u2012\u2013\u2014\u2212":
        folded = folded.replace(dash, "-")
    folded = "".join(str(unicodedata.decimal(char)) if char.isdecimal() else char for char in folded)
    return _WORD.sub(lambda match: _WORDS[match[1].casefold()], folded)


def _value(number: str) -> Decimal:
    plain = number.replace(",", "") if _THOUSANDS.fullmatch(number) else number.replace(",", ".").replace("\u00b7", ".")
    head, _, tail = plain.partition(".")
    return Decimal(f"{head}.{tail.replace('.', '')}" if tail else head).normalize()
