"""What a character must never say: the words of players, of our own time, and of what it does not know."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from kit.errors import InputError, Problem

from .schema import Character, Fault, SceneRequest

_WORDS = tomllib.loads((Path(__file__).parent / "modern.toml").read_text(encoding="utf-8"))
_SPEAKER = re.compile(r"\bplayer\s*:|(?:^|[.!?\"“*] ?)\W{0,3}(?:you|user|adventurer|assistant|system|narrator)\s*:")
_NARRATED = re.compile(
    r"(?:^|[.!?;:…\"”*] ?)\W{0,3}(?:and |then |so )?(?:you|the player)\s+(?:then |now |quietly |loudly )?(?:"
    r"(?:say|repl(?:y|ie)|answer|respond|shout|whisper|nod|decide|mutter|sigh)s?\b|"
    r"(?:ask|think|agree)s?\s*[,:\"“])"
)
_SPELLED = re.compile(r"(?<![^\W_])[^\W_](?:[\s.\-*_·,]{1,3}[^\W_](?![^\W_])){2,}")
_NOT_LETTERS = re.compile(r"[\s.\-*_·,]+")


@dataclass(frozen=True)
class Bounds:
    """The bounds of one request."""

    tells: tuple[str, ...]
    allowed: str

    @classmethod
    def of(cls, request: SceneRequest) -> Bounds:
        """Return the bounds of a request: only the game's own words can allow a modern word."""
        character, state = request.character, request.state
        own = (character.name, character.persona, *character.knows, state.place, *state.items, *state.flags)
        targets = (target for action in state.valid_actions for target in action.targets)
        return cls(_tells(character), plain(" . ".join((*own, *targets))))

    def faults(self, line: str) -> tuple[Fault, ...]:
        """Return what is wrong with a line, or with the beginning of one."""
        text = plain(line)
        found: list[Fault] = []
        if leaked(self.tells, text):
            found.append("leak")
        if _SPEAKER.search(text) or _NARRATED.search(text):
            found.append("speaks_for_player")
        if _pattern(tuple(_WORDS["breaks_character"])).search(text):
            found.append("breaks_character")
        if any(not _has(self.allowed, word) for word in _modern(text)):
            found.append("modern_word")
        return tuple(found)


def plain(text: str) -> str:
    """Return a text in lower case, in one form of Unicode, with straight quotes and single spaces."""
    text = "".join(letter for letter in unicodedata.normalize("NFKC", text) if unicodedata.category(letter) != "Cf")
    straight = text.casefold().replace("’", "'").replace("‘", "'").replace("`", "'").replace("‑", "-")
    return " ".join(straight.split())


def leaked(tells: Iterable[str], text: str) -> str | None:
    """Return the first word of `tells` that a plain text has, also where it is spelled out letter by letter."""
    read = f"{text} | {_SPELLED.sub(lambda match: _NOT_LETTERS.sub('', match[0]), text)}"
    return next((tell for tell in tells if _has(read, tell)), None)


def refuse_contradictions(request: SceneRequest) -> None:
    """Raise InputError if the character's fallback line, or a fact that it may tell, is itself out of bounds."""
    problems = list(_contradictions(request))
    if problems:
        raise InputError(problems)


def _contradictions(request: SceneRequest) -> Iterator[Problem]:
    character = request.character
    found = Bounds.of(request).faults(character.fallback)
    if found:
        what = f"The fallback line of '{character.name}' is itself out of bounds: {', '.join(found)}."
        yield Problem(what, "character.fallback", "Write a line that is right at any time.")
    for index, fact in enumerate(character.knows):
        tell = leaked(_tells(character), plain(fact))
        if tell is not None:
            what = f"'{character.name}' knows this fact, and does not know '{tell}', which is in it."
            yield Problem(what, f"character.knows[{index}]", "Take it out of one of the two.")


def _tells(character: Character) -> tuple[str, ...]:
    return tuple(plain(tell) for unknown in character.does_not_know for tell in unknown.tells)


def _modern(text: str) -> Iterator[str]:
    for match in _pattern(tuple(_WORDS["modern"])).finditer(text):
        yield match[1]


def _has(text: str, word: str) -> bool:
    return bool(word) and _pattern((word,)).search(text) is not None


@lru_cache(maxsize=4096)
def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    """Return a pattern that finds whole words, also in the plural and with a possessive ending."""
    listed = "|".join(map(re.escape, sorted(words, key=len, reverse=True)))
    return re.compile(rf"(?<!\w)({listed})(?:s|'s|s'|(?<=[sxz])es|(?<=[cs]h)es)?(?!\w)")
