"""Find function calls in what a model writes, while it writes it."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Any

from serving.routes.chat.tools import ToolFormat


@dataclass(frozen=True)
class Call:
    """A complete call: its place among the calls of the answer, its id, the function, and the arguments as JSON."""

    index: int
    id: str
    name: str
    arguments: str


Piece = str | Call


class CallReader:
    """Split an answer into text and calls. Text that may still become a call waits; what is no call stays text.

    With `forced`, the whole answer is one call, because a grammar constrained it.
    """

    def __init__(self, form: ToolFormat, forced: bool = False) -> None:
        self._form, self._forced = form, forced
        self._waiting = ""
        self._calls = 0
        self._wrote_text = False

    @property
    def made_calls(self) -> bool:
        """Whether the answer has a call so far."""
        return self._calls > 0

    def read(self, text: str) -> list[Piece]:
        """Take new text; return the text and the calls that are certain now."""
        self._waiting += text
        if self._forced or not self._form.opening:
            return [] if self._may_be_call() else self._flushed()
        pieces: list[Piece] = []
        while (end := self._waiting.find(self._form.closing)) >= 0 and self._form.opening in self._waiting[:end]:
            before, _, inside = self._waiting[:end].partition(self._form.opening)
            self._waiting = self._waiting[end + len(self._form.closing) :]
            pieces += [*self._text(before), *self._calls_in(inside, self._form.opening + inside + self._form.closing)]
        if self._form.opening not in self._waiting:
            held = _overlap(self._waiting, self._form.opening)
            kept = len(self._waiting) - held
            pieces += self._text(self._waiting[:kept])
            self._waiting = self._waiting[kept:]
        return pieces

    def end(self) -> list[Piece]:
        """Return what is left at the end of the answer."""
        waiting, self._waiting = self._waiting, ""
        inside = waiting.partition(self._form.opening)[2] if self._form.opening in waiting and not self._forced else ""
        if self._forced or not self._form.opening:
            return self._calls_in(waiting, waiting)
        return self._calls_in(inside, waiting) if inside else self._text(waiting)

    def _may_be_call(self) -> bool:
        start = self._waiting.lstrip()[:1]
        return self._forced or (not self._wrote_text and start in ("", "{", "["))

    def _flushed(self) -> list[Piece]:
        waiting, self._waiting = self._waiting, ""
        return self._text(waiting)

    def _text(self, text: str) -> list[Piece]:
        """Return text, unless it is only white space around calls."""
        if not text or (not text.strip() and (self._calls or not self._wrote_text)):
            return []
        self._wrote_text = True
        return [text]

    def _calls_in(self, text: str, otherwise: str) -> list[Piece]:
        found = _parsed(text, self._form.arguments)
        if not found:
            return self._text(otherwise)
        calls: list[Piece] = []
        for name, arguments in found:
            written = json.dumps(arguments, ensure_ascii=False)
            calls.append(Call(self._calls, f"call_{uuid.uuid4().hex[:24]}", name, written))
            self._calls += 1
        return calls


def _parsed(text: str, field: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the calls in JSON text; none if it is no call or list of calls."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return []
    calls = data if isinstance(data, list) else [data]
    found = []
    for call in calls:
        arguments = call.get(field, call.get("arguments")) if isinstance(call, dict) else None
        if not isinstance(arguments, dict) or not isinstance(call.get("name"), str):
            return []
        found.append((call["name"], arguments))
    return found


def _overlap(text: str, mark: str) -> int:
    """Return how many characters at the end of a text begin the mark."""
    return next((size for size in range(min(len(mark) - 1, len(text)), 0, -1) if text.endswith(mark[:size])), 0)
