"""Every figure that a text states, with its sign, its scale and its unit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from .units import BASIS, CURRENCIES, PERCENT, POINTS, SCALES, Unit, currency_of, scale_of


def _any_of(words: list[str]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


_MONEY = _any_of(list(CURRENCIES))
_SCALE = _any_of(list(SCALES))
_FIGURE = re.compile(
    rf"""(?P<open>\(\s*)?
    (?P<sign1>(?<![\w.,])[-−–+]\s?|\b(?:minus|negative)\s+)?
    (?:(?<![^\W\d_])(?P<money1>{_MONEY})\s?)?
    (?P<sign2>(?<![\w.,])[-−–+]|\b(?:minus|negative)\s+)?
    (?P<number>\d(?:[\d.,'’]*\d)?)
    (?:[\s-]?(?P<scale>{_SCALE})(?!\w))?
    (?:[\s-]?(?:(?P<points>{POINTS})(?!\w)|(?P<basis>{BASIS})(?!\w)|(?P<percent>{PERCENT})(?!\w)
       |(?P<money2>{_MONEY})(?!\w)))?
    (?P<close>\s*\))?""",
    re.IGNORECASE | re.VERBOSE,
)
_SPELLED = (
    r"one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|\w+ty|hundred|dozen|half an?|an?|few"
)
_IN_WORDS = re.compile(
    rf"\b(?:(?:{_SPELLED})[\s-]+)+(?:thousands?|millions?|billions?|trillions?|per\ cent|percent|%|percentage|basis"
    rf"|{_MONEY})(?!\w)"
    r"|\b(?:thousands|millions|billions|trillions|dozens|hundreds)\b"
    r"|\b(?:eleven|twelve|thirteen|(?:four|fif|six|seven|eigh|nine)teen|hundred|thousand|(?:m|b|tr)illion)\b"
    r"|\b(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)\b"
    r"|\b(?:doubl|tripl|trebl|quadrupl|halv)(?:e|es|ed|ing)\b|\b\w+fold\b|\btwice\b"
    r"|\b(?:a|one|two|three)[\s-](?:half|halves|thirds?|quarters?|fifths?|tenths?)\b(?!\s+(?:earlier|before|ago))"
    r"|\bhalf\s+(?:of|the)\b",
    re.IGNORECASE,
)
_GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?")


@dataclass(frozen=True)
class Amount:
    """A figure of a text. `number` is None if it cannot be read exactly; `step` is the worth of its last digit."""

    start: int
    end: int
    number: Decimal | None
    step: Decimal = Decimal(0)
    unit: Unit | None = None
    signed: bool = False
    """Whether a sign or brackets were written."""


def amounts(text: str, noun: str = "(?!)") -> list[Amount]:
    """Return every figure of a text, in order. Amounts in words are there too, without a number.

    `noun` is a pattern of the things that are counted, so that "ten stores" is an amount in words.
    """
    found = [_amount(match) for match in _FIGURE.finditer(text)]
    spelled = [
        Amount(match.start(), match.end(), None)
        for pattern in (_IN_WORDS, re.compile(rf"\b(?:{_SPELLED})[\s-]+(?:{noun})\b", re.IGNORECASE))
        for match in pattern.finditer(text)
    ]
    signs = [Amount(at, at + 1, None) for at, sign in enumerate(text) if sign.isnumeric() and not sign.isdecimal()]
    return sorted(_apart(found + spelled + signs), key=lambda each: each.start)


def _apart(found: list[Amount]) -> list[Amount]:
    """Leave out whatever overlaps one before it in the list."""
    taken, kept = set[int](), list[Amount]()
    for each in found:
        if taken.isdisjoint(range(each.start, each.end)):
            kept.append(each)
            taken.update(range(each.start, each.end))
    return kept


def _amount(match: re.Match[str]) -> Amount:
    part = match.groupdict()
    bracketed = bool(part["open"] and part["close"])
    start = match.start() if bracketed else match.start() + len(part["open"] or "")
    end = match.end() if bracketed else match.end() - len(part["close"] or "")
    follows, before = match.string[match.end("number") : match.end("number") + 1], match.string[: match.start()][-1:]
    bare = start == match.start("number")  # nothing of ours is before it, such as a sign or a currency
    glued = (follows.isalnum() and end == match.end("number")) or (
        bare and (before.isalnum() or before in ("-", "−", "–", "/"))
    )
    written = part["number"].replace("’", "").replace("'", "")
    if glued or not _GROUPED.fullmatch(written) or (part["money1"] and part["money2"]):
        return Amount(start, end, None)
    sign = ((part["sign1"] or "") + (part["sign2"] or "")).strip().casefold()
    number, unit = Decimal(written.replace(",", "")), _unit(part)
    step = Decimal(1).scaleb(-len(written.partition(".")[2])) * unit.scale
    negative = sign in {"-", "−", "–", "minus", "negative"} or (bracketed and not sign)
    return Amount(start, end, number * unit.scale * (-1 if negative else 1), step, unit, bracketed or bool(sign))


def _unit(part: dict[str, str | None]) -> Unit:
    scale = scale_of(part["scale"] or "")
    if part["points"]:
        return Unit("points", scale)
    if part["basis"]:
        return Unit("points", scale * Decimal("0.01"))
    if part["percent"]:
        return Unit("percent", scale)
    money = currency_of(part["money1"] or part["money2"] or "")
    return Unit("money", scale, money) if money else Unit("count", scale)
