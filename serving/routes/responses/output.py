"""The output of a response, built piece by piece, with the events that tell a client about each piece."""

from __future__ import annotations

import uuid
from typing import Any

from serving.routes.chat.tool_reading import Call, Piece

Event = dict[str, Any]


class Output:
    """The items of an answer: messages and calls."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []
        self._texts: list[str] = []
        self._open = False

    def add(self, piece: Piece) -> list[Event]:
        """Add text or a call; return its events."""
        if isinstance(piece, Call):
            return [*self._closed("completed"), *self._called(piece)]
        events = [] if self._open else self._opened()
        self._texts.append(piece)
        return [*events, {"type": "response.output_text.delta", **self._part_place(), "delta": piece, "logprobs": []}]

    def end(self, status: str) -> list[Event]:
        """End the answer with a status; return the events. An answer of nothing is an empty message."""
        events = [] if self.items else self._opened()
        return events + self._closed(status)

    def _opened(self) -> list[Event]:
        self._open = True
        self._texts = []
        item = {"type": "message", "id": f"msg_{uuid.uuid4().hex}", "role": "assistant"}
        self.items.append({**item, "status": "in_progress", "content": []})
        added = {"type": "response.output_item.added", "output_index": self._last, "item": self.items[-1]}
        return [added, {"type": "response.content_part.added", **self._part_place(), "part": _part("")}]

    def _closed(self, status: str) -> list[Event]:
        if not self._open:
            return []
        self._open = False
        text = "".join(self._texts)
        part, place = _part(text), self._part_place()
        self.items[-1] = {**self.items[-1], "status": status, "content": [part]}
        return [
            {"type": "response.output_text.done", **place, "text": text, "logprobs": []},
            {"type": "response.content_part.done", **place, "part": part},
            {"type": "response.output_item.done", "output_index": self._last, "item": self.items[-1]},
        ]

    def _called(self, call: Call) -> list[Event]:
        item = {"type": "function_call", "id": f"fc_{uuid.uuid4().hex}", "call_id": call.id, "name": call.name}
        self.items.append({**item, "arguments": call.arguments, "status": "completed"})
        place = {"item_id": item["id"], "output_index": self._last}
        begun = {**item, "arguments": "", "status": "in_progress"}
        written = {"name": call.name, "arguments": call.arguments}
        return [
            {"type": "response.output_item.added", "output_index": self._last, "item": begun},
            {"type": "response.function_call_arguments.delta", **place, "delta": call.arguments},
            {"type": "response.function_call_arguments.done", **place, **written},
            {"type": "response.output_item.done", "output_index": self._last, "item": self.items[-1]},
        ]

    @property
    def _last(self) -> int:
        return len(self.items) - 1

    def _part_place(self) -> Event:
        return {"item_id": self.items[-1]["id"], "output_index": self._last, "content_index": 0}


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
