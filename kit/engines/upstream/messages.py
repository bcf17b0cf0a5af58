"""The mode in which the other server renders for itself: messages in, text out."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from kit.engines.base import Delta, Generation
from kit.engines.structured import grammar_of
from kit.engines.upstream.connection import Connection
from kit.errors import InputError
from kit.task import Completion, Finish

_CHAT = "/v1/chat/completions"


class Relayed:
    """A completion that arrives as text. It has no token ids: nobody here knows them."""

    def __init__(self) -> None:
        self.finish: Finish | None = None
        self._text = ""
        self._sent = 0

    def add(self, choice: dict[str, Any]) -> None:
        """Add the text of an event, and the reason if it is the last."""
        self._text += (choice.get("delta") or {}).get("content") or ""
        if (reason := choice.get("finish_reason")) is not None:
            self.finish = reason if reason in ("stop", "length") else "abort"

    def new_text(self) -> Delta | None:
        """Return the text since the last call; None if there is none."""
        text, self._sent = self._text[self._sent :], len(self._text)
        return Delta(text, (), self.finish) if text or self.finish else None

    def completion(self) -> Completion:
        """Return the finished completion; an unfinished one counts as aborted."""
        return Completion(self._text, finish=self.finish or "abort")


async def ask_with_messages(connection: Connection, model: str, request: Generation) -> AsyncGenerator[Relayed]:
    """Yield the answer as it grows. Raises InputError for a request that is no dialogue."""
    if not request.messages:
        what = "The server behind this one gets messages, and this request is no dialogue."
        raise InputError(what, next="Send it to a chat route, or use an upstream in the mode 'tokens'.")
    _refuse_lost(request)
    relayed = Relayed()
    async with aclosing(connection.events(_CHAT, _body(model, request))) as events:
        async for event in events:
            for choice in event.get("choices", ()):
                relayed.add(choice)
            yield relayed
            if relayed.finish is not None:
                return
    yield relayed


def _refuse_lost(request: Generation) -> None:
    """Raise InputError for what other servers do not understand: left out, it would change the answer."""
    sampling, grammar = request.sampling, grammar_of(request.answer)
    lost = {
        "min_p": sampling.min_p != 0,
        "top_k": sampling.top_k != 0,
        "min_tokens": sampling.min_tokens != 0,
        "repetition_penalty": sampling.repetition_penalty != 1,
        "logit_bias": bool(sampling.logit_bias),
        "logprobs": sampling.top_logprobs is not None,
        "tools": any(message.calls or message.answers for message in request.messages),
        "grammar": grammar is not None and grammar.kind != "json",
    }
    if found := [name for name, present in lost.items() if present]:
        what = f"A server that gets messages does not take: {', '.join(found)}."
        raise InputError(what, next="Leave it out, or use an upstream in the mode 'tokens'.")


def _body(model: str, request: Generation) -> dict[str, Any]:
    sampling, grammar = request.sampling, grammar_of(request.answer)
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": message.role, "content": message.text} for message in request.messages],
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "stop": list(sampling.stop) or None,
        "seed": sampling.seed,
        "presence_penalty": sampling.presence_penalty or None,
        "frequency_penalty": sampling.frequency_penalty or None,
        "stream": True,
    }
    if grammar is not None and grammar.kind == "json":
        schema = {"name": "answer", "schema": json.loads(grammar.source), "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return {name: value for name, value in body.items() if value is not None}
