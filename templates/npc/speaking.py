"""Reads what the model writes, while it writes: the action first, then clause by clause, each one checked.

`read` and the stream use this one reader, so the events of a stream and its response never disagree.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pydantic import BaseModel

from .bounds import Bounds
from .schema import LONGEST_LINE, NONE, Acted, Action, Fault, Said, SceneResponse

_HEAD = re.compile(r'\s*,\s*"refused"\s*:\s*(true|false)\s*,\s*"line"\s*:\s*"')
_BODY = re.compile(r'(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*')
_ACTION = re.compile(rf'\s*\{{\s*"action"\s*:\s*("{_BODY.pattern}")')
_END = re.compile(r'"\s*\}')
_CLAUSE = re.compile(r"(?<=[.!?;:,…—]) ")
_HIGH_HALF = re.compile("[\ud800-\udbff]\\Z")
_LEAST = 12  # characters of a clause that is worth speaking on its own


@dataclass
class Reader:
    """Follows one answer. `choices` are the actions that may be written; anything else becomes none."""

    choices: Mapping[str, Action]
    bounds: Bounds
    fallback: str
    written: str = ""
    action: Action | None = None
    refused: bool = False
    begun: bool = False
    clauses: list[str] = field(default_factory=list)
    cut: int = 0
    faults: list[Fault] = field(default_factory=list)
    blocked: bool = False
    ended: bool = False

    def read(self, prompt: int, text: str) -> list[BaseModel]:  # noqa: ARG002
        """Take the next text; return the events that are certain now."""
        self.written += text
        events: list[BaseModel] = []
        if self.action is None and (found := _ACTION.match(self.written)):
            self.action = self._allowed(_decoded(found[1]))
            self.written = self.written[found.end() :]
            events.append(Acted(action=self.action))
        if self.action is not None and not self.begun and (head := _HEAD.match(self.written)):
            self.refused, self.begun = head[1] == "true", True
            self.written = self.written[head.end() :]
        if self.begun and not self.blocked and not self.ended:
            events += self._speak()
        return events

    def response(self) -> SceneResponse:
        """Return the whole response. An answer that was cut off, or that is no answer, gets the fallback line."""
        line = " ".join(self.clauses)
        if not self.blocked and not (self.ended and line):
            self._block("unreadable" if self.action is None else "cut_off")
        return SceneResponse(
            action=self.action or Action(name=NONE),
            line=self.fallback if self.blocked else line,
            refused=self.refused,
            fallback=self.blocked,
            faults=tuple(dict.fromkeys(self.faults)),
        )

    def _allowed(self, written: str) -> Action:
        if written not in self.choices:
            self.faults.append("invalid_action")
        return self.choices.get(written, Action(name=NONE))

    def _speak(self) -> Iterator[Said]:
        for clause in self._certain():
            line = " ".join([*self.clauses, clause])
            faults = self.bounds.faults(line)
            if faults or len(line) > LONGEST_LINE:
                self._block(*faults or ("too_long",))
                yield Said(text=self.fallback, fallback=True)
                return
            self.clauses.append(clause)
            yield Said(text=clause)

    def _certain(self) -> Iterator[str]:
        """Yield the clauses that later text cannot change, each once; short ones together with the next."""
        found = _BODY.match(self.written)
        size = found.end() if found else 0
        self.ended = bool(_END.match(self.written, size))
        words = " ".join(_decoded(f'"{self.written[:size]}"', self.ended).split())
        for mark in _CLAUSE.finditer(words, self.cut):
            if mark.start() - self.cut >= _LEAST:
                start, self.cut = self.cut, mark.end()
                yield words[start : mark.start()]
        if self.ended and words[self.cut :]:
            yield words[self.cut :]

    def _block(self, *faults: Fault) -> None:
        self.blocked = True
        self.faults += faults


def _decoded(text: str, ended: bool = True) -> str:
    """Return the text of a JSON string; control characters become spaces, and half letters a replacement mark.

    At the end of a string that goes on, half of a letter waits for its other half.
    """
    found = str(json.loads(text))
    found = found if ended else _HIGH_HALF.sub("", found)
    whole = found.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return "".join(" " if unicodedata.category(letter) == "Cc" else letter for letter in whole)
