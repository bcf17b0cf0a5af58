"""Answers in llama.cpp's dialect, as bytes.

Clients find the text by its bytes: a key, a colon and no blank. Each event of a stream is one write, without comments
and without [DONE], because clients parse each piece that arrives as one event.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, cast

import orjson

from kit.engines.answerer import run_concurrently
from kit.engines.base import Delta, Generation
from kit.task import Completion
from serving.models.catalogue import Model
from serving.routes.chat.dialogue import aborted
from serving.routes.native.request import Native

_STOP_TYPES = {"length": "limit", "abort": "none"}


@dataclass(frozen=True)
class Written:
    """A finished answer with the milliseconds to its first token and from there to its end."""

    completion: Completion
    prompt_ms: float
    predicted_ms: float


class NativeAnswer:
    """The answer to one request."""

    def __init__(self, request: Native, model: Model, generation: Generation | None, prompt: tuple[int, ...]) -> None:
        self._request, self._model = request, model
        self._generation, self._prompt = generation, prompt

    async def body(self) -> bytes:
        """The complete answer as one line of JSON: an object, or a list if several are wanted."""
        count = self._request.n_cmpl or 1
        written = await run_concurrently([self._written(index) for index in range(count)])
        answers = [self._chosen_fields(self._fields(each, index)) for index, each in enumerate(written)]
        return orjson.dumps(answers[0] if count == 1 else answers)

    async def _written(self, index: int) -> Written:
        if self._generation is None:
            return Written(Completion("", finish="length"), 0.0, 0.0)
        deltas = [piece async for piece in self._timed(_numbered(self._generation, index))]
        last = deltas[-1][1]
        text = "".join(delta.text for _, delta in deltas)
        ids = tuple(id for _, delta in deltas for id in delta.token_ids)
        completion = Completion(text, ids, finish=last.finish or "length", stopped_by=last.stopped_by)
        return Written(completion, deltas[0][0], deltas[-1][0] - deltas[0][0])

    async def events(self) -> AsyncGenerator[bytes, None]:
        """Yield an event for each piece of text, and a last one with `stop` true and the timings."""
        if self._generation is None:
            written = await self._written(0)
            yield _event(self._chosen_fields(self._fields(written, 0)))
            return
        first = milliseconds = 0.0
        ids: list[int] = []
        last: Delta | None = None
        async for milliseconds, delta in self._timed(self._generation):
            first = first or milliseconds
            ids += delta.token_ids
            last = delta
            if delta.text:
                piece = {"index": 0, "content": delta.text, "tokens": list(delta.token_ids), "stop": False}
                yield _event(
                    {**piece, "id_slot": -1, "tokens_predicted": len(ids), "tokens_evaluated": len(self._prompt)}
                )
        finish = (last.finish if last else None) or "length"
        completion = Completion("", tuple(ids), finish=finish, stopped_by=last.stopped_by if last else None)
        fields = self._fields(Written(completion, first, milliseconds - first), 0)
        yield _event(self._chosen_fields({**fields, "tokens": []}))

    async def _timed(self, generation: Generation) -> AsyncIterator[tuple[float, Delta]]:
        """Yield each delta with its milliseconds; stop at the request's deadline, counted from the first token.

        The deadline acts only after a line has ended, as in llama.cpp. Raises ServiceError (503) on an abort.
        """
        start = time.perf_counter()
        limit, first, lines = self._request.t_max_predict_ms or 0, None, False
        stream = cast(AsyncGenerator[Delta, None], self._model.engine.stream(generation))
        async with aclosing(stream) as deltas:
            async for delta in deltas:
                if delta.finish == "abort":
                    raise aborted()
                now = 1000 * (time.perf_counter() - start)
                first = now if first is None else first
                yield now, delta
                lines = lines or "\n" in delta.text
                if limit and lines and now - first > limit and delta.finish is None:
                    return
                await asyncio.sleep(0)  # one write for each event

    def _fields(self, written: Written, index: int) -> dict[str, Any]:
        completion, count = written.completion, len(written.completion.token_ids)
        stopped_by = completion.stopped_by
        word = "word" if stopped_by is not None else "eos"
        return {
            "index": index,
            "content": completion.text,
            "tokens": list(completion.token_ids) if self._request.return_tokens else [],
            "id_slot": -1,
            "stop": True,
            "model": self._model.id,
            "tokens_predicted": count,
            "tokens_evaluated": len(self._prompt),
            "generation_settings": {"n_ctx": self._model.engine.capabilities.max_length},
            "prompt": "",
            "has_new_line": "\n" in completion.text,
            "truncated": False,
            "stop_type": _STOP_TYPES.get(completion.finish, word),
            "stopping_word": stopped_by or "",
            "tokens_cached": 0,
            "timings": _timings(len(self._prompt), written.prompt_ms, count, written.predicted_ms),
        }

    def _chosen_fields(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Return only the fields that the request names; a path with a slash becomes a key of that literal name."""
        wanted = self._request.response_fields
        if wanted is None:
            return fields
        found: dict[str, Any] = {}
        for path in wanted:
            value: Any = fields
            for name in path.split("/"):
                value = value.get(name) if isinstance(value, dict) else None
            if value is not None:
                found[path] = value
        return found


def _timings(prompt: int, prompt_ms: float, predicted: int, predicted_ms: float) -> dict[str, float]:
    return {
        "cache_n": 0,
        "prompt_n": prompt,
        "prompt_ms": round(prompt_ms, 3),
        "prompt_per_token_ms": round(prompt_ms / max(prompt, 1), 3),
        "prompt_per_second": round(1000 * prompt / max(prompt_ms, 0.001), 3),
        "predicted_n": predicted,
        "predicted_ms": round(predicted_ms, 3),
        "predicted_per_token_ms": round(predicted_ms / max(predicted, 1), 3),
        "predicted_per_second": round(1000 * predicted / max(predicted_ms, 0.001), 3),
    }


def _numbered(generation: Generation, index: int) -> Generation:
    seed = generation.sampling.seed
    if not index or seed is None:
        return generation
    return replace(generation, sampling=replace(generation.sampling, seed=seed + index))


def _event(fields: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(fields) + b"\n\n"
