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
_TIMES = {"second", "minute", "hour", "day", "week", "month", "year"}
_EVERY = {"daily": "day", "hourly": "hour", "weekly": "week", "monthly": "month", "yearly": "year"}
_NUMBER = r"(?:\d+(?:[.,\u00b7]\d+)*|(?<!\d)\.\d+)"
_UNIT = "|".join(sorted(map(re.escape, _KNOWN), key=len, reverse=True))
_AMOUNT = re.compile(
    rf"(?P<number>{_NUMBER})(?P<gap>[\s-]*)"
    rf"(?:(?P<unit>{_UNIT})(?!\w)(?P<rates>(?:\s*(?:/|\b(?:per|an?|each|every)\b)\s*(?:{_UNIT})(?!\w))*)"
    rf"(?:\s+(?P<every>{'|'.join(_EVERY)})\b)?)?",
    re.IGNORECASE,
)
_RATE = re.compile(rf"(?:/|\b(?:per|an?|each|every)\b)\s*({_UNIT})(?!\w)", re.IGNORECASE)
_OFTEN = re.compile(rf"\b(once|twice)(?=\s+(?:an?|per|each|every|{'|'.join(_EVERY)})\b)", re.IGNORECASE)
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

    @property
    def once(self) -> str:
        """The unit without how often: mg of mg/day, and mg/kg of mg/kg/day."""
        first, *rates = self.unit.split("/")
        return "/".join([first, *(rate for rate in rates if rate not in _TIMES)])


def unsupported(answer: str, passages: Iterable[str]) -> tuple[str, ...]:
    """Return the amounts of an answer, as written, that no passage has; each once.

    An answer may leave out how often ("20 mg" of "20 mg a day"). It may not leave out or change any other part.
    """
    known = [amount for passage in passages for amount in amounts(passage)]
    pairs = {(amount.number, amount.unit) for amount in known} | {(amount.number, amount.once) for amount in known}
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
    result: list[Amount] = []
    unit, later = "", len(plain)
    for match in reversed(list(_AMOUNT.finditer(plain))):
        linked = _LINK.fullmatch(match["gap"] + plain[match.end() : later]) is not None
        unit = _unit(match) or (unit if linked else "")
        result.append(Amount(_value(match["number"]), unit, " ".join(match.group().strip(" -\n\t").split())))
        later = match.start()
    return result[::-1]


def _unit(match: re.Match[str]) -> str:
    """Return the unit with its rates, such as mg/kg/day; "" if there is none."""
    if not match["unit"]:
        return ""
    parts = [_KNOWN[name.casefold()] for name in (match["unit"], *_RATE.findall(match["rates"] or ""))]
    return "/".join([*parts, *([_EVERY[match["every"].casefold()]] if match["every"] else [])])


def _plain(text: str) -> str:
    """Write digits, dashes, micro signs and number words in one way."""
    folded = unicodedata.normalize("NFKC", _SPACED.sub("", text)).replace("\u03bc", "u").replace("\u00b5", "u")
    for dash in "\u2010\u2011\u2012\u2013\u2014\u2212":
        folded = folded.replace(dash, "-")
    folded = "".join(str(unicodedata.decimal(char)) if char.isdecimal() else char for char in folded)
    counted = _OFTEN.sub(lambda match: "1 time" if match[1].casefold() == "once" else "2 times", folded)
    return _WORD.sub(lambda match: _WORDS[match[1].casefold()], counted)


def _value(number: str) -> Decimal:
    plain = number.replace(",", "") if _THOUSANDS.fullmatch(number) else number.replace(",", ".").replace("\u00b7", ".")
    plain = f"0{plain}" if plain.startswith(".") else plain
    head, _, tail = plain.partition(".")
    return Decimal(f"{head}.{tail.replace('.', '')}" if tail else head).normalize()
