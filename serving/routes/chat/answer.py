"""Chat answers as bytes: complete or streamed. Chunks are spliced around their text, not serialised for each token."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, cast

import orjson

from kit.engines.base import Delta
from kit.task import Completion, Finish
from serving.errors import ServiceError

DONE = b"data: [DONE]\n\n"


class ChatAnswer:
    """One answer with its id, creation time and model."""

    def __init__(self, model: str, prompt_tokens: int) -> None:
        self.id = f"chatcmpl-{uuid.uuid4().hex}"
        self.created = int(time.time())
        self.model = model
        self.prompt_tokens = prompt_tokens

    def body(self, completion: Completion) -> bytes:
        """The complete answer as JSON."""
        _refuse_aborted(completion.finish)
        message = {"role": "assistant", "content": completion.text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": completion.finish}
        answer = {**self._head("chat.completion"), "choices": [choice]}
        return orjson.dumps({**answer, "usage": self._usage(len(completion.token_ids))})

    async def events(self, deltas: AsyncIterator[Delta], with_usage: bool) -> AsyncGenerator[bytes, None]:
        """Yield the role, the text, the finish reason, the token counts if `with_usage`, and [DONE].

        Nothing is yielded before the engine's first delta, so an earlier error becomes an HTTP error.
        """
        head, tail = self._splice(with_usage)
        written = 0
        finish: Finish = "abort"
        started = False
        # Every engine returns a generator, though the type says iterator; closing it frees the engine's slot.
        async with aclosing(cast(AsyncGenerator[Delta, None], deltas)) as generator:
            async for delta in generator:
                if not started:
                    started = True
                    yield head + b'{"role":"assistant","content":""}' + tail
                written += len(delta.token_ids)
                finish = delta.finish or finish
                if delta.text:
                    yield head + b'{"content":' + orjson.dumps(delta.text) + b"}" + tail
        _refuse_aborted(finish)
        yield head + b"{}" + tail.replace(b"null", orjson.dumps(finish), 1)
        if with_usage:
            last = {**self._head("chat.completion.chunk"), "choices": [], "usage": self._usage(written)}
            yield b"data: " + orjson.dumps(last) + b"\n\n"
        yield DONE

    def _splice(self, with_usage: bool) -> tuple[bytes, bytes]:
        """The bytes before and after a chunk's delta; the first null after it is the finish reason."""
        head = orjson.dumps(self._head("chat.completion.chunk"))[:-1] + b',"choices":[{"index":0,"delta":'
        usage = b',"usage":null' if with_usage else b""
        return b"data: " + head, b',"finish_reason":null,"logprobs":null}]' + usage + b"}\n\n"

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}

    def _usage(self, written: int) -> dict[str, int]:
        total = self.prompt_tokens + written
        return {"prompt_tokens": self.prompt_tokens, "completion_tokens": written, "total_tokens": total}


def _refuse_aborted(finish: Finish) -> None:
    if finish == "abort":
        message = "The engine aborted the answer. Send the request again."
        raise ServiceError(503, "aborted", message, headers={"retry-after": "1"})
