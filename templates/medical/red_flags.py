"""Recognises questions that are emergencies, by the rules of red_flags.toml, before any model runs."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

LIST = Path(__file__).with_name("red_flags.toml")
_SENTENCE_END = re.compile(r"[.!?;\n]+|,?\s\b(?:but|however|although|though)\b")
_REACH = 40  # a denial counts for what follows within this many characters


@dataclass(frozen=True)
class RedFlag:
    """A rule that matched: its name, its fixed text, and the version of the list."""

    rule: str
    text: str
    version: str


@dataclass(frozen=True)
class _Rule:
    id: str
    text: str
    patterns: tuple[re.Pattern[str], ...]
    also: re.Pattern[str] | None


class RedFlags:
    """The rules of one list. `find` returns the first rule that matches a question."""

    def __init__(self, path: Path = LIST) -> None:
        facts = tomllib.loads(path.read_text(encoding="utf-8"))
        self.version: str = facts["version"]
        self._cues = {name: re.compile(facts[name]) for name in ("person", "general", "harmless", "now", "negation")}
        self.rules = tuple(_rule(each, facts["texts"]) for each in facts["rule"])

    def find(self, question: str) -> RedFlag | None:
        """Return the first rule that matches; None if the question is no emergency that the list knows."""
        text = _folded(question)
        sentences = [part for part in _SENTENCE_END.split(text) if part and not self._is_harmless(part)]
        for rule in self.rules:
            if self._affirmed(rule.patterns, sentences) and (not rule.also or self._affirmed([rule.also], sentences)):
                return RedFlag(rule.id, rule.text, self.version)
        return None

    def _is_harmless(self, sentence: str) -> bool:
        """Whether a sentence asks in general, or speaks of the past, a risk or a lesson."""
        cues = self._cues
        if cues["general"].search(sentence) and not cues["person"].search(sentence):
            return True
        return bool(cues["harmless"].search(sentence)) and not cues["now"].search(sentence)

    def _affirmed(self, patterns: Sequence[re.Pattern[str]], sentences: Sequence[str]) -> bool:
        """Whether a sentence has a match without a denial before it."""
        return any(
            not self._cues["negation"].search(sentence[max(0, match.start() - _REACH) : match.start()])
            for sentence in sentences
            for pattern in patterns
            for match in pattern.finditer(sentence)
        )


@cache
def red_flags() -> RedFlags:
    """The list beside this module, read once."""
    return RedFlags()


def _rule(facts: dict[str, Any], texts: dict[str, str]) -> _Rule:
    also = re.compile(facts["also"]) if "also" in facts else None
    return _Rule(facts["id"], texts[facts["text"]], tuple(map(re.compile, facts["patterns"])), also)


def _folded(text: str) -> str:
    plain = unicodedata.normalize("NFKC", text).casefold().replace("\u2019", "'").replace("\u2018", "'")
    plain = re.sub(r"\b(can|don|won|isn|doesn|didn|hasn|haven|couldn|aren|wasn)t\b", r"\1't", plain)
    return "\n".join(" ".join(line.split()) for line in plain.splitlines())
