"""Finds the column of each key and value in a line of JSON, for error messages."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import lru_cache

from kit.recipe.validation import KeyPath

_BLANK = re.compile(r"[ \t\r\n]*")
_CONSTANT = re.compile(r"-?(NaN|Infinity)")
_DECODER = json.JSONDecoder()


@dataclass
class Positions:
    """Offsets in code points, by path of keys and indices."""

    keys: dict[KeyPath, int] = field(default_factory=dict)
    values: dict[KeyPath, int] = field(default_factory=dict)
    repeated: list[KeyPath] = field(default_factory=list)
    not_numbers: list[KeyPath] = field(default_factory=list)

    def offset(self, path: KeyPath) -> int:
        """Return the offset of a path's key or item; for a missing path, that of the innermost value around it."""
        known: KeyPath = ()
        for part in path:
            known = (*known, part) if (*known, part) in self.values else known
        return self.keys.get(known, self.values[known]) if known == path else self.values[known]

    def path_at(self, offset: int) -> KeyPath:
        """Path of the innermost key or value that starts at or before an offset. A key has the path of its value."""
        before = [(at, len(path), path) for places in (self.keys, self.values) for path, at in places.items()]
        return max((each for each in before if each[0] <= offset), key=lambda each: each[:2])[2]


@lru_cache(maxsize=1)
def positions(text: str) -> Positions:
    """Return the positions of all keys and values in a text that is valid JSON."""
    found = Positions()
    _value(text, _skip(text, 0), (), found)
    return found


def _value(text: str, at: int, path: KeyPath, found: Positions) -> int:
    """Record the value that starts here, and everything in it; return where it ends."""
    found.values[path] = at
    if text[at] == "{":
        return _object(text, at, path, found)
    if text[at] == "[":
        return _array(text, at, path, found)
    if _CONSTANT.match(text, at):
        found.not_numbers.append(path)
    return int(_DECODER.raw_decode(text, at)[1])


def _object(text: str, at: int, path: KeyPath, found: Positions) -> int:
    at = _skip(text, at + 1)
    while text[at] != "}":
        start = at
        key, at = _DECODER.raw_decode(text, start)
        inner = (*path, key)
        if inner in found.keys:
            found.repeated.append(inner)
        found.keys[inner] = start
        at = _skip(text, _value(text, _skip(text, _skip(text, at) + 1), inner, found))
        at = _skip(text, at + 1) if text[at] == "," else at
    return at + 1


def _array(text: str, at: int, path: KeyPath, found: Positions) -> int:
    at = _skip(text, at + 1)
    index = 0
    while text[at] != "]":
        at = _skip(text, _value(text, at, (*path, index), found))
        at = _skip(text, at + 1) if text[at] == "," else at
        index += 1
    return at + 1


def _skip(text: str, at: int) -> int:
    match = _BLANK.match(text, at)
    return match.end() if match else at
