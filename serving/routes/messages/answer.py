"""Answers in Anthropic's format as bytes: complete or streamed."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import orjson

from serving.events import named_event
from serving.routes.chat.dialogue import Dialogue
from serving.routes.chat.tool_reading import Call, Piece

Event = dict[str, Any]
_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}


class MessageAnswer:
    """One answer with its id and model."""

    def __init__(self, dialogue: Dialogue) -> None:
        self.id = f"msg_{uuid.uuid4().hex}"
        self._dialogue = dialogue

    async def body(self) -> bytes:
        """The complete answer as JSON."""
        [written] = await self._dialogue.complete()
        content: list[Event] = [_block(call, orjson.loads(call.arguments)) for call in written.calls]
        if written.text or not content:
            content.insert(0, {"type": "text", "text": written.text})
        ending = _ending(written.finish, written.completion.stopped_by)
        return orjson.dumps(self._message(content, ending, len(written.completion.token_ids)))

    async def events(self) -> AsyncGenerator[bytes]:
        """Yield the start, each block of the content, and the reason why the answer ended."""
        blocks = _Blocks()
        tokens = 0
        started = False
        ending = _ending(None, None)
        async with aclosing(self._dialogue.steps()) as steps:
            async for step in steps:
                if not started:
                    started = True
                    yield named_event({"type": "message_start", "message": self._message([], ending, 0)})
                tokens += len(step.delta.token_ids)
                if step.finish is not None:
                    ending = _ending(step.finish, step.delta.stopped_by)
                for piece in step.pieces:
                    for event in blocks.add(piece):
                        yield named_event(event)
        for event in blocks.close():
            yield named_event(event)
        usage = {"input_tokens": self._dialogue.prompt_tokens, "output_tokens": tokens}
        yield named_event({"type": "message_delta", "delta": ending, "usage": usage})
        yield named_event({"type": "message_stop"})

    def _message(self, content: list[Event], ending: Event, tokens: int) -> Event:
        head = {"id": self.id, "type": "message", "role": "assistant", "model": self._dialogue.model.id}
        usage = {"input_tokens": self._dialogue.prompt_tokens, "output_tokens": tokens}
        return {**head, "content": content, **ending, "usage": usage}


class _Blocks:
    """The blocks of a streamed answer; each piece becomes the events that tell a client about it."""

    def __init__(self) -> None:
        self._index = 0
        self._open = False

    def add(self, piece: Piece) -> list[Event]:
        if isinstance(piece, Call):
            delta = {"type": "input_json_delta", "partial_json": piece.arguments}
            return [*self.close(), self._start(_block(piece, {})), self._delta(delta), *self.close()]
        start = [] if self._open else [self._start({"type": "text", "text": ""})]
        return [*start, self._delta({"type": "text_delta", "text": piece})]

    def close(self) -> list[Event]:
        if not self._open:
            return []
        self._open = False
        self._index += 1
        return [{"type": "content_block_stop", "index": self._index - 1}]

    def _start(self, block: Event) -> Event:
        self._open = True
        return {"type": "content_block_start", "index": self._index, "content_block": block}

    def _delta(self, delta: Event) -> Event:
        return {"type": "content_block_delta", "index": self._index, "delta": delta}


def _block(call: Call, arguments: Any) -> Event:
    return {"type": "tool_use", "id": call.id, "name": call.name, "input": arguments}


def _ending(finish: str | None, stopped_by: str | None) -> Event:
    """Return why an answer ended, in Anthropic's words; nulls while it has not."""
    if finish == "stop" and stopped_by is not None:
        return {"stop_reason": "stop_sequence", "stop_sequence": stopped_by}
    return {"stop_reason": None if finish is None else _REASONS[finish], "stop_sequence": None}
