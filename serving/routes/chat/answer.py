"""Chat answers as bytes: complete or streamed. Chunks are spliced around their text, not serialised for each token."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import orjson

from serving.routes.chat.dialogue import Dialogue, Step, Written
from serving.routes.chat.logprobs import content_logprobs
from serving.routes.chat.tool_reading import Call, Piece

DONE = b"data: [DONE]\n\n"
_ROLE = b'{"role":"assistant","content":""}'


class ChatAnswer:
    """One answer with its id, creation time and model. `logprobs` says whether the request asked for them."""

    def __init__(self, dialogue: Dialogue, with_logprobs: bool = False) -> None:
        self.id = f"chatcmpl-{uuid.uuid4().hex}"
        self.created = int(time.time())
        self._dialogue = dialogue
        self._with_logprobs = with_logprobs

    async def body(self) -> bytes:
        """The complete answer as JSON."""
        written = await self._dialogue.complete()
        choices = [self._choice(index, each) for index, each in enumerate(written)]
        tokens = sum(len(each.completion.token_ids) for each in written)
        return orjson.dumps({**self._head("chat.completion"), "choices": choices, "usage": self._usage(tokens)})

    def _choice(self, index: int, written: Written) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": written.text, "refusal": None}
        if written.calls:
            message |= {"content": written.text or None, "tool_calls": [_call(each) for each in written.calls]}
        logprobs = None
        if self._with_logprobs:
            logprobs = content_logprobs(self._dialogue.model.renderer.folder, written.completion)
        return {"index": index, "message": message, "logprobs": logprobs, "finish_reason": written.finish}

    async def events(self, with_usage: bool) -> AsyncGenerator[bytes, None]:
        """Yield the role, the text, the finish reason, the token counts if `with_usage`, and [DONE]."""
        splices = [self._splice(index, with_usage) for index in range(len(self._dialogue.generations))]
        started: set[int] = set()
        tokens = 0
        async with aclosing(self._dialogue.steps()) as steps:
            async for step in steps:
                head, tail = splices[step.index]
                if step.index not in started:
                    started.add(step.index)
                    yield head + _ROLE + tail
                tokens += len(step.delta.token_ids)
                for event in self._step_events(step, head, tail):
                    yield event
        if with_usage:
            yield (
                b"data: "
                + orjson.dumps({**self._head("chat.completion.chunk"), "choices": [], "usage": self._usage(tokens)})
                + b"\n\n"
            )
        yield DONE

    def _step_events(self, step: Step, head: bytes, tail: bytes) -> list[bytes]:
        """Return the chunks of one step. The first null after the delta is the finish reason, the next logprobs."""
        if self._with_logprobs and step.delta.token_ids:
            logprobs = orjson.dumps(content_logprobs(self._dialogue.model.renderer.folder, step.delta))
            tail_with = tail.replace(b'"logprobs":null', b'"logprobs":' + logprobs, 1)
            events = [head + _delta(piece) + tail_with for piece in step.pieces[:1] or [""]]
            events += [head + _delta(piece) + tail for piece in step.pieces[1:]]
        else:
            events = [head + _delta(piece) + tail for piece in step.pieces]
        if step.finish is not None:
            events.append(head + b"{}" + tail.replace(b"null", orjson.dumps(step.finish), 1))
        return events

    def _splice(self, index: int, with_usage: bool) -> tuple[bytes, bytes]:
        """Return the bytes before and after a chunk's delta; the first null after it is the finish reason."""
        head = orjson.dumps(self._head("chat.completion.chunk"))[:-1]
        usage = b',"usage":null' if with_usage else b""
        start = b"data: " + head + b',"choices":[{"index":%d,"delta":' % index
        return start, b',"finish_reason":null,"logprobs":null}]' + usage + b"}\n\n"

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self._dialogue.model.id}

    def _usage(self, written: int) -> dict[str, int]:
        prompt = self._dialogue.prompt_tokens
        return {"prompt_tokens": prompt, "completion_tokens": written, "total_tokens": prompt + written}


def _delta(piece: Piece) -> bytes:
    if isinstance(piece, str):
        return b'{"content":' + orjson.dumps(piece) + b"}"
    return orjson.dumps({"tool_calls": [{"index": piece.index, **_call(piece)}]})


def _call(call: Call) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
