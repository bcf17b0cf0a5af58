"""Chat answers as bytes: whole, or as a stream whose chunks are spliced around the text instead of dumped per token."""

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
    """One answer: its id, its time, its model."""

    def __init__(self, model: str, prompt_tokens: int) -> None:
        self.id = f"chatcmpl-{uuid.uuid4().hex}"
        self.created = int(time.time())
        self.model = model
        self.prompt_tokens = prompt_tokens

    def whole(self, completion: Completion) -> bytes:
        """The answer in one piece."""
        _check(completion.finish)
        message = {"role": "assistant", "content": completion.text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": completion.finish}
        body = {**self._head("chat.completion"), "choices": [choice]}
        return orjson.dumps({**body, "usage": self._usage(len(completion.token_ids))})

    async def events(self, deltas: AsyncIterator[Delta], with_usage: bool) -> AsyncGenerator[bytes, None]:
        """Yield the role, the text, the reason for the end, the counts where asked for, and [DONE].

        Nothing is yielded before the engine's first piece, so that an error until then is an HTTP answer.
        """
        head, tail = self._splice(with_usage)
        written = 0
        finish: Finish = "abort"
        begun = False
        # The protocol promises an iterator; engines give generators, and closing one frees the engine's slot.
        async with aclosing(cast(AsyncGenerator[Delta, None], deltas)) as pieces:
            async for delta in pieces:
                if not begun:
                    begun = True
                    yield head + b'{"role":"assistant","content":""}' + tail
                written += len(delta.token_ids)
                finish = delta.finish or finish
                if delta.text:
                    yield head + b'{"content":' + orjson.dumps(delta.text) + b"}" + tail
        _check(finish)
        yield head + b"{}" + tail.replace(b"null", orjson.dumps(finish), 1)
        if with_usage:
            last = {**self._head("chat.completion.chunk"), "choices": [], "usage": self._usage(written)}
            yield b"data: " + orjson.dumps(last) + b"\n\n"
        yield DONE

    def _splice(self, with_usage: bool) -> tuple[bytes, bytes]:
        """The bytes before and after a chunk's delta; the first null after it is the reason for the end."""
        head = orjson.dumps(self._head("chat.completion.chunk"))[:-1] + b',"choices":[{"index":0,"delta":'
        usage = b',"usage":null' if with_usage else b""
        return b"data: " + head, b',"finish_reason":null,"logprobs":null}]' + usage + b"}\n\n"

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}

    def _usage(self, written: int) -> dict[str, int]:
        total = self.prompt_tokens + written
        return {"prompt_tokens": self.prompt_tokens, "completion_tokens": written, "total_tokens": total}


def _check(finish: Finish) -> None:
    if finish == "abort":
        raise ServiceError(503, "aborted", "The engine gave the answer up.", headers={"retry-after": "1"})
