"""The brand's voice: the fingerprint of a text, its distance to the brand's, and runs of words learnt by heart.

`fingerprint.py` measures the voice from data/ and writes voice.json; style.toml has the terms of the style guide.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

from kit.errors import InputError

from .schema import Fingerprint

HERE = Path(__file__).parent
FEATURES = (
    "sentence_mean", "sentence_sd", "contractions_per_100", "you_per_100", "commas_per_100", "exclamations_per_100",
    "word_length", "common_per_100", "opening_known", "preferred", "banned",
)  # fmt: skip
MOST = 4.0  # a feature counts at most as four standard deviations, so that one odd count does not decide
_WORD = re.compile(r"\w+(?:['’]\w+)*")
_SENTENCE = re.compile(r"[.!?…]+(?=\s|$)|\n+")
_CONTRACTION = re.compile(r"\w['’](?:s|re|ve|ll|d|m|t)\b", re.IGNORECASE)
_YOU = frozenset({"you", "your", "yours", "you're", "you'll", "you've", "you'd"})
_COMMON = frozenset(  # words of grammar, whose shares tell authors apart (Mosteller and Wallace 1964)
    re.findall(
        r"\S+",
        """
        a about all an and any are as at be by do for from has have he her his i if in is it its may more my no not of
        on one or our she so that the their them there these they this to up was we were what when which will with you
        your it's we've we're we'll that's there's you'll you've don't won't isn't they're i'm
        """,
    )
)
_RUN = 4  # words of the runs that the index of training texts holds


def words_in(text: str) -> list[str]:
    """Return the words of a text in lower case, with straight apostrophes."""
    return [word.replace("’", "'") for word in _WORD.findall(text.casefold())]


def sentences_in(text: str) -> list[str]:
    """Return the sentences of a text: they end with a mark and a blank, or with a line."""
    return [part for part in (piece.strip() for piece in _SENTENCE.split(text)) if _WORD.search(part)]


def terms_in(text: str, terms: Sequence[str]) -> tuple[str, ...]:
    """Return the terms that a text has, as whole words; a term also counts with an ending such as -s or -ed."""
    return tuple(term for term in terms if re.search(rf"\b{re.escape(term)}(?:s|es|d|ed|ing)?\b", text, re.IGNORECASE))


@dataclass(frozen=True)
class Guide:
    """The style guide: terms to use, and terms never to use."""

    preferred: tuple[str, ...]
    banned: tuple[str, ...]


@cache
def read_guide() -> Guide:
    """Return the terms of style.toml."""
    found = tomllib.loads((HERE / "style.toml").read_text(encoding="utf-8"))
    return Guide(tuple(found["preferred"]), tuple(found["banned"]))


def opening_of(text: str) -> str:
    """Return the first two words of a text."""
    return " ".join(words_in(text)[:2])


def fingerprint_of(text: str, openings: Sequence[str], guide: Guide) -> Fingerprint:
    """Return the counts of a text; it must have a word."""
    words, lengths = words_in(text), [len(words_in(sentence)) for sentence in sentences_in(text)]
    if not words:
        raise ValueError("A text without a word has no fingerprint")
    per = 100 / len(words)
    return Fingerprint(
        sentence_mean=round(fmean(lengths), 3),
        sentence_sd=round(pstdev(lengths), 3),
        contractions_per_100=round(len(_CONTRACTION.findall(text)) * per, 3),
        you_per_100=round(sum(word in _YOU for word in words) * per, 3),
        commas_per_100=round(text.count(",") * per, 3),
        exclamations_per_100=round(text.count("!") * per, 3),
        word_length=round(fmean(len(word) for word in words), 3),
        common_per_100=round(sum(word in _COMMON for word in words) * per, 3),
        opening=opening_of(text),
        opening_known=opening_of(text) in openings,
        preferred=terms_in(text, guide.preferred),
        banned=terms_in(text, guide.banned),
    )


def vector(found: Fingerprint) -> list[float]:
    """Return the features as numbers; terms and openings are counted."""
    values = [getattr(found, name) for name in FEATURES]
    return [float(len(value)) if isinstance(value, tuple) else float(value) for value in values]


@dataclass(frozen=True)
class Voice:
    """What fingerprint.py measured: means and spreads of the features, the two ends of the scale, and texts."""

    means: Sequence[float]
    spreads: Sequence[float]
    openings: Sequence[str]
    floor: float
    ceiling: float
    texts: Sequence[str]

    def distance(self, found: Fingerprint) -> float:
        """Return the mean over features of the difference to the brand's, in standard deviations, each at most 4."""
        parts = zip(vector(found), self.means, self.spreads, strict=True)
        return round(fmean(min(abs(value - mean) / spread, MOST) for value, mean, spread in parts), 4)

    @cached_property
    def _index(self) -> Mapping[tuple[str, ...], list[tuple[int, int]]]:
        found: dict[tuple[str, ...], list[tuple[int, int]]] = defaultdict(list)
        for number, words in enumerate(self._words):
            for start in range(len(words) - _RUN + 1):
                found[tuple(words[start : start + _RUN])].append((number, start))
        return found

    @cached_property
    def _words(self) -> list[list[str]]:
        return [words_in(text) for text in self.texts]

    def longest_run(self, text: str, brief: Sequence[str]) -> int:
        """Return the longest run of words that a text shares with a training text, 0 below four.

        A run that is a fact of the brief, or a part of one, does not count: it was asked for.
        """
        words, given = words_in(text), [f" {' '.join(words_in(fact))} " for fact in brief]
        best = 0
        for start in range(len(words) - _RUN + 1):
            for number, place in self._index.get(tuple(words[start : start + _RUN]), ()):
                size = _shared(words, start, self._words[number], place)
                run = f" {' '.join(words[start : start + size])} "
                if size > best and not any(run in fact for fact in given):
                    best = size
        return best


def _shared(left: Sequence[str], start: int, right: Sequence[str], place: int) -> int:
    size = 0
    while start + size < len(left) and place + size < len(right) and left[start + size] == right[place + size]:
        size += 1
    return size


@cache
def read_voice() -> Voice:
    """Return the voice of voice.json. Raises InputError if it is missing or has other features."""
    file = HERE / "voice.json"
    advice = "Run: python fingerprint.py"
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"The voice cannot be read: {error}.", str(file), advice) from None
    if list(found.get("features", {})) != list(FEATURES):
        raise InputError("The voice was measured with other features.", str(file), advice)
    features = found["features"].values()
    means, spreads = [each["mean"] for each in features], [each["spread"] for each in features]
    return Voice(means, spreads, found["openings"], found["floor"], found["ceiling"], found["texts"])
