"""Compares a text with its brief: facts that are missing, and numbers that nobody gave."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .voice import words_in

ENOUGH = 0.6  # share of a fact's key words that the text must have
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_STEM = 5
_COMMON = frozenset(
    re.findall(
        r"\S+",
        """
        a an and are as at be by for from has have in into is it its of on or our so than that the their them then there
        this to was we were will with you your all any but can do not no
        """,
    )
)


def numbers_in(text: str) -> list[str]:
    """Return the numbers of a text as they are written: `12`, `4.50`, `10:30`."""
    return _NUMBER.findall(text)


def value_of(fact: str) -> str:
    """Return what a fact says: the part after its label, if it has one."""
    label, colon, value = fact.partition(": ")
    return value if colon and value.strip() and len(label.split()) <= 3 else fact


def key_words(fact: str) -> set[str]:
    """Return the beginnings of the words that carry a fact, without its label and without common words."""
    words = {word for word in words_in(value_of(fact)) if word not in _COMMON and not word.isdigit()}
    return {_stem(word) for word in words}


def _stem(word: str) -> str:
    return word.removesuffix("'s")[:_STEM]


def keeps(text: str, fact: str) -> bool:
    """Say whether a text has a fact: all of its numbers, and most of its key words, in any order."""
    given = set(numbers_in(text))
    if not set(numbers_in(value_of(fact))) <= given:
        return False
    keys, there = key_words(fact), {_stem(word) for word in words_in(text)}
    return len(keys & there) >= ENOUGH * len(keys)


def missing_facts(text: str, brief: Sequence[str]) -> tuple[str, ...]:
    """Return the facts of a brief that a text does not have."""
    return tuple(fact for fact in brief if not keeps(text, fact))


def added_numbers(text: str, brief: Sequence[str]) -> tuple[str, ...]:
    """Return the numbers of a text that its brief does not have."""
    given = {number for fact in brief for number in numbers_in(fact)}
    return tuple(dict.fromkeys(number for number in numbers_in(text) if number not in given))
