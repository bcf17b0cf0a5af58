"""The tone of a reply, apart from whether it is right."""

from __future__ import annotations

import re

from kit.task import Record

from .desk import APOLOGIES, BANNED_PHRASES

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_SENTENCE_END = re.compile(r"[.!?]+(?=\s|$)")
_VOWELS = re.compile(r"[aeiouy]+")


def tone(reply: str) -> Record:
    """Return what one reply adds to the metrics of tone; nothing if there is no reply."""
    if not reply.strip():
        return {}
    low = reply.casefold()
    return {
        "apology": float(any(each in low for each in APOLOGIES)),
        "banned": float(sum(low.count(each) for each in BANNED_PHRASES)),
        "reading_ease": reading_ease(reply),
    }


def reading_ease(text: str) -> float:
    """Return Flesch's reading ease: 206.835 - 1.015 words per sentence - 84.6 syllables per word (Flesch 1948).

    About 60 to 70 is plain English. Syllables are counted by groups of vowels, which is right for most words.
    """
    words = _WORD.findall(text)
    if not words:
        return 0.0
    sentences = max(1, len(_SENTENCE_END.findall(text)))
    return 206.835 - 1.015 * len(words) / sentences - 84.6 * sum(map(syllables, words)) / len(words)


def syllables(word: str) -> int:
    """Count the groups of vowels of a word; a silent e at the end does not count."""
    low = word.casefold()
    count = len(_VOWELS.findall(low))
    silent = low.endswith("e") and not low.endswith(("le", "ee")) and count > 1
    return max(1, count - silent)
