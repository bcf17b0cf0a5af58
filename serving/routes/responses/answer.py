"""Answers of the Responses API as bytes: complete or streamed."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

import orjson

from serving.events import named_event
from serving.routes.chat.dialogue import Dialogue
from serving.routes.responses.output import Event, Output


class ResponsesAnswer:
    """One answer with its id, creation time and model; `echo` holds the fields of the request that it repeats."""

    def __init__(self, dialogue: Dialogue, echo: Mapping[str, Any]) -> None:
        # Some editors send back an id that begins with resp_ in place of the dialogue, but nothing is stored here.
        self.id = f"response_{uuid.uuid4().hex}"
        self.created = int(time.time())
        self._dialogue = dialogue
        self._echo = echo

    async def body(self) -> bytes:
        """The complete answer as JSON."""
        [written] = await self._dialogue.complete()
        output = Output()
        for piece in ([written.text] if written.text else []) + [*written.calls]:
            output.add(piece)
        status = _status(written.finish)
        output.end(status)
        return orjson.dumps(self._response(status, output, len(written.completion.token_ids)))

    async def events(self) -> AsyncGenerator[bytes]:
        """Yield the events of the answer, each with its number."""
        number = 0
        async with aclosing(self._answer_events()) as events:
            async for event in events:
                yield named_event({**event, "sequence_number": number})
                number += 1

    async def _answer_events(self) -> AsyncGenerator[Event]:
        output = Output()
        tokens = 0
        started = False
        status = "completed"
        async with aclosing(self._dialogue.steps()) as steps:
            async for step in steps:
                if not started:
                    started = True
                    begun = self._response("in_progress", output, None)
                    yield {"type": "response.created", "response": begun}
                    yield {"type": "response.in_progress", "response": begun}
                tokens += len(step.delta.token_ids)
                if step.finish is not None:
                    status = _status(step.finish)
                for piece in step.pieces:
                    for event in output.add(piece):
                        yield event
        for event in output.end(status):
            yield event
        yield {"type": f"response.{status}", "response": self._response(status, output, tokens)}

    def _response(self, status: str, output: Output, tokens: int | None) -> dict[str, Any]:
        sampling = self._dialogue.generations[0].sampling
        return {
            "id": self.id,
            "object": "response",
            "created_at": self.created,
            "model": self._dialogue.model.id,
            "status": status,
            "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
            "output": list(output.items),
            "usage": None if tokens is None else self._usage(tokens),
            "parallel_tool_calls": True,
            "previous_response_id": None,
            "store": False,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "truncation": "disabled",
            **self._echo,
        }

    def _usage(self, written: int) -> dict[str, Any]:
        read = self._dialogue.prompt_tokens
        return {
            "input_tokens": read,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": written,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": read + written,
        }


def _status(finish: str) -> str:
    return "incomplete" if finish == "length" else "completed"
