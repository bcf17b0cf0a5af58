"""Units of figures: a currency, percent, percentage points or a count, each with a scale such as million."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

Kind = Literal["money", "percent", "points", "count"]

SCALES = {
    "thousand": 3, "thousands": 3, "k": 3, "million": 6, "millions": 6, "mn": 6, "mln": 6, "m": 6,
    "billion": 9, "billions": 9, "bn": 9, "b": 9, "trillion": 12, "trillions": 12, "tn": 12,
}  # fmt: skip
CURRENCIES = {
    "USD": "USD", "US$": "USD", "$": "USD", "dollars": "USD", "EUR": "EUR", "€": "EUR", "euros": "EUR", "euro": "EUR",
    "GBP": "GBP", "£": "GBP", "pounds": "GBP", "JPY": "JPY", "¥": "JPY", "yen": "JPY", "CHF": "CHF", "SEK": "SEK",
    "NOK": "NOK", "DKK": "DKK", "CAD": "CAD", "AUD": "AUD", "CNY": "CNY", "INR": "INR", "PLN": "PLN", "BRL": "BRL",
}  # fmt: skip
PERCENT = r"%|per[ ]cent|percent"
POINTS = r"percentage[ ]points?|per[ ]cent[ ]points?|pp|ppts?|pts"
BASIS = r"basis[ ]points?|bps|bp"
_FOLDED = {name.casefold(): code for name, code in CURRENCIES.items()}


@dataclass(frozen=True)
class Unit:
    """What a figure counts. `of` is the currency's code, or the thing that is counted."""

    kind: Kind
    scale: Decimal = Decimal(1)
    of: str = ""


def scale_of(word: str) -> Decimal:
    """Return the factor of a word such as million; 1 if there is none."""
    return Decimal(10) ** SCALES.get(word.casefold(), 0)


def currency_of(word: str) -> str:
    """Return the code of a currency's name, code or symbol; empty if it is none."""
    return _FOLDED.get(word.casefold(), "")


def unit_of(text: str) -> Unit:
    """Read the unit of a row of the table."""
    words = [word for word in re.split(r"\s+|(?<=[$€£¥])|(?=[$€£¥])", text.strip()) if word]
    folded = " ".join(words).casefold()
    if re.fullmatch(PERCENT, folded):
        return Unit("percent")
    if re.fullmatch(f"{POINTS}|{BASIS}", folded):
        return Unit("points", Decimal(1) if re.fullmatch(POINTS, folded) else Decimal("0.01"))
    scale = next((scale_of(word) for word in words if word.casefold() in SCALES), Decimal(1))
    rest = [word for word in words if word.casefold() not in SCALES]
    if len(rest) == 1 and currency_of(rest[0]):
        return Unit("money", scale, currency_of(rest[0]))
    return Unit("count", scale, " ".join(rest).casefold())
