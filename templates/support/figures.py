"""Amounts, percentages, dates, times and counted units in a text, in one form, so that two texts can be compared."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
_SMALL = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_VALUES = {word: value for value, word in enumerate(_SMALL)} | {word: 20 + 10 * at for at, word in enumerate(_TENS)}
_VALUES |= {"hundred": 100, "thousand": 1000, "million": 1_000_000, "dozen": 12, "couple": 2}
_CURRENCIES = {
    "€": "eur", "euro": "eur", "euros": "eur", "eur": "eur", "$": "usd", "dollar": "usd", "dollars": "usd",
    "usd": "usd", "£": "gbp", "pound": "gbp", "pounds": "gbp", "gbp": "gbp", "cent": "cent", "cents": "cent",
}  # fmt: skip
# A unit's name, and how many of it one such word is.
_UNITS: dict[str, tuple[str, int]] = {
    "day": ("day", 1), "week": ("day", 7), "fortnight": ("day", 14), "month": ("month", 1), "year": ("month", 12),
    "hour": ("hour", 1), "hr": ("hour", 1), "minute": ("minute", 1), "min": ("minute", 1), "second": ("second", 1),
    "working day": ("working day", 1), "business day": ("working day", 1), "%": ("percent", 1),
    "percent": ("percent", 1),
    "per cent": ("percent", 1), "gb": ("gb", 1), "mb": ("mb", 1), "mbps": ("mbps", 1), "mbit/s": ("mbps", 1),
    "am": ("am", 1), "pm": ("pm", 1), "time": ("time", 1), "text": ("text", 1), "device": ("device", 1),
    "metre": ("metre", 1), "digit": ("digit", 1), "call": ("call", 1),
}  # fmt: skip
_MONTH = "(?:" + "|".join(sorted((f"{name}|{name[:3]}" for name in MONTHS), key=len, reverse=True)) + r")\b\.?"
_NUMBER = r"\d{1,3}(?:[ ,.'’]\d{3})+(?:[.,]\d{1,2})?(?!\d)|\d+(?:[.,]\d+)?"
_PLURALS = (re.escape(unit) + ("s?" if unit[-1].isalpha() else "") for unit in sorted(_UNITS, key=len, reverse=True))
_UNIT = f"(?:{'|'.join(_PLURALS)})"
_MONEY = "(?:" + "|".join(re.escape(word) for word in sorted(_CURRENCIES, key=len, reverse=True)) + r")(?![a-z])"
_RATE = rf"(?:\s*(?:per|an?|each|every|/)\s*(?P<RATE>{_UNIT})(?![a-z]))?"
_WORDS = "|".join(sorted(_VALUES, key=len, reverse=True))
_WORD_RUN = re.compile(rf"\b(?:{_WORDS})\b(?:(?:-| |(?<=hundred) and |(?<=thousand) and )(?:{_WORDS})\b)*(?: of\b)?")
_TIME = "(?:day|week|fortnight|month|year|hour|minute|second|working day|business day)"
_ARTICLE = re.compile(rf"\b(within|in|for|after|under|over|about|than) an? (?={_TIME}\b)")
_PATTERN = re.compile(
    rf"(?P<iso>\b\d{{4}}-\d{{1,2}}-\d{{1,2}}\b)"
    rf"|(?P<slash>\b\d{{1,2}}[/.]\d{{1,2}}[/.]\d{{2,4}}\b)"
    rf"|\b(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?: of)? (?P<month>{_MONTH})(?:,? (?P<year>\d{{4}}))?"
    rf"|\b(?P<month2>{_MONTH}) (?:the )?(?P<day2>\d{{1,2}})(?:st|nd|rd|th)?(?![\d.,]*\d)(?:,? (?P<year2>\d{{4}}))?"
    rf"|\b(?P<clock>\d{{1,2}}:\d{{2}})\s*(?P<half>am|pm)?"
    rf"|(?P<code>(?<![\d.,])0\d[\d -]*\d)"
    rf"|(?P<before>{_MONEY})\s*(?P<amount>{_NUMBER}){_RATE.replace('RATE', 'rate')}"
    rf"|(?P<amount2>{_NUMBER})\s*(?P<after>{_MONEY}){_RATE.replace('RATE', 'rate2')}"
    rf"|(?P<number>{_NUMBER})(?:st|nd|rd|th)?[\s-]*(?:calendar )?(?P<unit>{_UNIT})?(?![a-z])"
    rf"|(?P<bare>{_NUMBER})"
    rf"|(?:(?<=\bin )|(?<=\bby )|(?<=\bof )|(?<=\buntil )|(?<=\bsince )|(?<=\bfrom )|(?<=\bafter )|(?<=\bbefore ))"
    rf"(?P<alone>{_MONTH})"
)


@dataclass(frozen=True)
class Figure:
    """A figure in a text. `kind` is a unit, a currency, `date`, `clock`, `code`, or empty for a bare number."""

    kind: str
    value: Decimal | str
    detail: str = ""
    words: str = ""


def plain(text: str) -> str:
    """Return a text in lower case, without marks and hidden characters, and with all digits as 0 to 9."""
    letters = (each for each in unicodedata.normalize("NFKD", text) if unicodedata.category(each)[0] != "M")
    shown = (each for each in letters if unicodedata.category(each) != "Cf")
    digits = "".join(str(unicodedata.decimal(each)) if each.isdecimal() else each for each in shown)
    return re.sub(r"\s+", " ", digits.casefold().translate({0x2044: "/", 0x2010: "-", 0x2011: "-", 0x2013: "-"}))


def figures(text: str) -> list[Figure]:
    """Return every figure of a text, in order."""
    return list(_found(_ARTICLE.sub(_one, _WORD_RUN.sub(_digits, plain(text)))))


def unsupported(reply: str, sources: list[str]) -> list[str]:
    """Return the words of each figure of a reply that stands in none of the sources.

    The year of a date, or the time to which an amount applies, need not be said; if it is, it must be the same.
    """
    known = {
        (each.kind, each.value, detail) for text in sources for each in figures(text) for detail in ("", each.detail)
    }
    return [each.words for each in figures(reply) if (each.kind, each.value, each.detail) not in known]


def _found(text: str) -> Iterator[Figure]:
    for match in _PATTERN.finditer(text):
        part, words = match.groupdict(), match.group().strip(" .")
        if part["iso"]:
            year, month, day = part["iso"].split("-")
            yield Figure("date", f"{int(day)} {int(month)}", year, words)
        elif part["slash"]:
            yield Figure("slash date", part["slash"].replace(".", "/"), "", words)
        elif month := part["month"] or part["month2"]:
            day, year = part["day"] or part["day2"], part["year"] or part["year2"]
            yield Figure("date", f"{int(day)} {_month(month)}", year or "", words)
        elif part["alone"]:
            yield Figure("month name", str(_month(part["alone"])), "", words)
        elif part["clock"]:
            yield Figure("clock", part["clock"].lstrip("0"), part["half"] or "", words)
        elif part["code"]:
            yield Figure("code", re.sub(r"\D", "", part["code"]), "", words)
        else:
            yield _counted(part, words)


def _counted(part: dict[str, str | None], words: str) -> Figure:
    currency, rate = part["before"] or part["after"], part["rate"] or part["rate2"]
    value = _value(part["amount"] or part["amount2"] or part["number"] or part["bare"] or "0")
    if currency:
        return Figure(_CURRENCIES[currency], value, _unit(rate)[0] if rate else "", words)
    name, times = _unit(part["unit"]) if part["unit"] else ("", 1)
    return Figure(name, value * times, "", words)


def _unit(words: str) -> tuple[str, int]:
    return _UNITS[words] if words in _UNITS else _UNITS[words.removesuffix("s")]


def _month(words: str) -> int:
    return [name[:3] for name in MONTHS].index(words[:3]) + 1


def _value(written: str) -> Decimal:
    """Read a number; a mark before exactly three digits groups thousands, any other mark is the decimal point."""
    grouped = re.fullmatch(r"(\d{1,3}(?:[ ,.'’]\d{3})+)(?:[.,](\d{1,2}))?", written)
    if grouped:
        return Decimal(re.sub(r"\D", "", grouped[1]) + "." + (grouped[2] or "0")).normalize()
    return Decimal(written.replace(",", ".")).normalize()


def _digits(match: re.Match[str]) -> str:
    """Write a number in words as digits. The word `one` alone stays, because it rarely counts something."""
    run = match.group().removesuffix(" of")
    words = [word for word in re.split(r"[ -]", run) if word in _VALUES]
    if words == ["one"] and not re.match(rf"[ -]{_UNIT}(?![a-z])", match.string[match.end() :]):
        return match.group()
    total = current = 0
    for word in words:
        value = _VALUES[word]
        if value in (12, 100, 1000, 1_000_000) and word not in _SMALL:
            current = max(current, 1) * value
            total, current = (total + current, 0) if value >= 1000 else (total, current)
        else:
            current += value
    return str(total + current)


def _one(match: re.Match[str]) -> str:
    return f"{match[1]} 1 "
