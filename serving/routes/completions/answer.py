"""Completions as bytes: complete or streamed. Chunks are spliced around their text, not serialised for each token."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

import orjson

from kit.engines.answerer import run_concurrently
from kit.engines.base import Delta, Generation, TokenScore
from kit.engines.token_text import token_bytes
from kit.task import Completion
from serving.models.catalogue import Model
from serving.routes.chat.dialogue import aborted, refuse_aborted
from serving.routes.completions.logprobs import Offsets, legacy_logprobs
from serving.routes.completions.request import CompletionRequest
from serving.streams import merged

DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True)
class Choice:
    """One choice to make: the request to the engine, and the prompt's text if the request wants it back."""

    generation: Generation
    echo: str = ""


def choices_of(request: CompletionRequest, model: Model, prompts: Sequence[tuple[int, ...]]) -> list[Choice]:
    """Return the choices of a request: `n` for each prompt, in the order of the prompts."""
    names = token_bytes(model.renderer.folder)
    choices = []
    for ids, prompt in zip(prompts, request.prompts(), strict=True):
        generation = request.generation(model, ids)
        echo = "" if not request.echo else prompt if isinstance(prompt, str) else names.joined(ids)
        choices += [Choice(_numbered(generation, index), echo) for index in range(request.n or 1)]
    return choices


def _numbered(generation: Generation, index: int) -> Generation:
    """Return the generation of one choice; with a seed each choice has the next one."""
    seed = generation.sampling.seed
    if not index or seed is None:
        return generation
    return replace(generation, sampling=replace(generation.sampling, seed=seed + index))


class TextAnswer:
    """One answer with its id, creation time and model."""

    def __init__(self, request: CompletionRequest, model: Model, choices: Sequence[Choice]) -> None:
        self.id = f"cmpl-{uuid.uuid4().hex}"
        self.created = int(time.time())
        self._request, self._model, self._choices = request, model, choices
        self._prompt_tokens = sum(len(choice.generation.ids) for choice in choices) // (request.n or 1)

    async def body(self) -> bytes:
        """The complete answer as JSON."""
        written = await run_concurrently([self._written(choice) for choice in self._choices])
        choices = [self._choice(index, *each) for index, each in enumerate(written)]
        tokens = sum(len(completion.token_ids) for completion, _ in written)
        return orjson.dumps({**self._head(), "choices": choices, "usage": self._usage(tokens)})

    async def _written(self, choice: Choice) -> tuple[Completion, tuple[TokenScore, ...]]:
        """Return the completion, and the scores of the prompt if the request wants them."""
        engine, generation = self._model.engine, choice.generation
        scores: tuple[TokenScore, ...] = ()
        if self._request.echo and self._request.logprobs is not None:
            scores = await engine.score_top(generation.ids, max(self._request.logprobs, 1), generation.adapter)
        if self._request.max_tokens == 0:
            return Completion("", finish="length"), scores
        return refuse_aborted(await engine.generate(generation)), scores

    def _choice(self, index: int, completion: Completion, scores: tuple[TokenScore, ...]) -> dict[str, Any]:
        choice = self._choices[index]
        logprobs = None
        if self._request.logprobs is not None:
            offsets = Offsets(token_bytes(self._model.renderer.folder))
            echoed = choice.generation.ids if self._request.echo else ()
            logprobs = legacy_logprobs(offsets, echoed, scores, completion)
        text = choice.echo + completion.text
        return {"index": index, "text": text, "logprobs": logprobs, "finish_reason": completion.finish}

    async def events(self) -> AsyncGenerator[bytes, None]:
        """Yield the text, the finish reason, the token counts if they are wanted, and [DONE].

        Nothing is yielded before the engine's first delta, so that an earlier error becomes an HTTP error.
        """
        splices = [self._splice(index) for index in range(len(self._choices))]
        offsets = [Offsets(token_bytes(self._model.renderer.folder)) for _ in self._choices]
        echoes = [choice.echo for choice in self._choices]
        tokens = ended = 0
        streams = [self._model.engine.stream(choice.generation) for choice in self._choices]
        async with aclosing(merged(streams)) as deltas:
            async for index, delta in deltas:
                if delta.finish == "abort":
                    raise aborted()
                ended += delta.finish is not None
                tokens += len(delta.token_ids)
                text, echoes[index] = echoes[index] + delta.text, ""
                if text or delta.finish:
                    yield self._event(splices[index], text, delta, offsets[index])
        if ended < len(streams):
            raise aborted()
        if self._request.wants_usage:
            yield b"data: " + orjson.dumps({**self._head(), "choices": [], "usage": self._usage(tokens)}) + b"\n\n"
        yield DONE

    def _event(self, splice: tuple[bytes, bytes], text: str, delta: Delta, offsets: Offsets) -> bytes:
        head, tail = splice
        logprobs = b"null"
        if self._request.logprobs is not None:
            logprobs = orjson.dumps(legacy_logprobs(offsets, (), (), delta))
        finish = b"null" if delta.finish is None else orjson.dumps(delta.finish)
        return head + orjson.dumps(text) + b',"logprobs":' + logprobs + b',"finish_reason":' + finish + tail

    def _splice(self, index: int) -> tuple[bytes, bytes]:
        """Return the bytes before and after a chunk's text, log-probabilities and finish reason."""
        usage = b',"usage":null' if self._request.wants_usage else b""
        head = b"data: " + orjson.dumps(self._head())[:-1] + b',"choices":[{"index":%d,"text":' % index
        return head, b"}]" + usage + b"}\n\n"

    def _head(self) -> dict[str, Any]:
        return {"id": self.id, "object": "text_completion", "created": self.created, "model": self._model.id}

    def _usage(self, written: int) -> dict[str, int]:
        total = self._prompt_tokens + written
        return {"prompt_tokens": self._prompt_tokens, "completion_tokens": written, "total_tokens": total}
