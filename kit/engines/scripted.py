"""An engine without a model, for tests of tasks and services: it answers from a script, the same every time.

    engine = ScriptedEngine({"warranty": Answer(label="yes")}, Renderer(NANO))
    engine = ScriptedEngine(lambda request, prompt: prompt.upper(), Renderer(NANO))

It supports budgets, stop strings, streaming, adapters by name and cancellation. It does not force answers into their
type, so that a test can return a broken one.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from itertools import pairwise
from pathlib import Path

from tokenizers import Tokenizer

from kit.chat import Renderer
from kit.engines.admission import admit, admit_adapter, admit_score
from kit.engines.base import Capabilities, Delta, Generation, TokenScore
from kit.engines.writing import Writing
from kit.errors import KitError
from kit.task import Answer, Completion, TopTokens, write_answer

Script = Mapping[str, Answer] | Callable[[Generation, str], Answer]


class ScriptedEngine:
    """Answers from a script.

    `script` is a function of the request and of its prompt's text (special tokens left out), or a mapping from a piece
    of text to the answer for the first prompt that contains it. `delay` is in seconds before each token; an answer is
    streamed in deltas of one token. While `failure` is set, every call raises it. `requests` lists the requests so far.
    """

    def __init__(self, script: Script, renderer: Renderer, *, max_length: int = 2048, delay: float = 0.0) -> None:
        self.requests: list[Generation] = []
        self.failure: KitError | None = None
        self.delay = delay
        self._script = script
        self._renderer = renderer
        self._tokenizer = Tokenizer.from_file(str(renderer.folder / "tokenizer.json"))
        self._max_length = max_length
        self._adapters: dict[str, Path] = {}
        self._running = False

    @property
    def capabilities(self) -> Capabilities:
        """Name, version and abilities of the engine."""
        return Capabilities("scripted", "1", self._max_length, adapters=True)

    async def start(self) -> None:
        """Become able to answer."""
        if self.failure is not None:
            raise self.failure
        self._running = True

    async def stop(self) -> None:
        """Stop answering."""
        self._running = False

    async def health(self) -> None:
        """Return when the engine can work.

        Raises the failure that was set, or KitError if the engine is not running.
        """
        if self.failure is not None:
            raise self.failure
        if not self._running:
            raise KitError("The scripted engine is not running.", next="Start it first.")

    async def generate(self, request: Generation) -> Completion:
        """Return the script's answer, cut to the request's budget."""
        async with aclosing(self._write(request)) as steps:
            *_, last = [writing async for writing in steps]
        return last.completion()

    async def stream(self, request: Generation) -> AsyncIterator[Delta]:
        """Yield the script's answer token by token."""
        async with aclosing(self._write(request)) as steps:
            async for writing in steps:
                if delta := writing.new_text():
                    yield delta

    async def _write(self, request: Generation) -> AsyncGenerator[Writing]:
        """Yield the answer after each of its tokens, and once more when it is done."""
        await self.health()
        request = admit(request, self._max_length, self._adapters)
        self.requests.append(request)
        writing = Writing(self._tokenizer, request)
        previous = request.ids[-1]
        for token in self._renderer.answer(self._answer(request)):
            await asyncio.sleep(self.delay)
            await self.health()
            top = _top(previous, token, request.sampling.top_logprobs or 0, request.adapter)
            writing.add(token, _logprob(previous, token, request.adapter), top)
            yield writing
            if writing.finish:
                return
            previous = token
        writing.finish = "stop"
        yield writing

    def _answer(self, request: Generation) -> str:
        prompt = self._renderer.decode(request.ids)
        if callable(self._script):
            return write_answer(self._script(request, prompt))
        for piece, answer in self._script.items():
            if piece in prompt:
                return write_answer(answer)
        raise KitError("The script has no answer for this prompt.", prompt[-80:])

    async def score(self, ids: Sequence[int], adapter: str | None = None) -> tuple[float, ...]:
        """Return made-up log-probabilities: the same for the same tokens and adapter, others for another adapter."""
        await self.health()
        admit_score(ids, self._max_length, adapter, self._adapters)
        return tuple(_logprob(previous, token, adapter) for previous, token in pairwise(ids))

    async def score_top(self, ids: Sequence[int], top: int, adapter: str | None = None) -> tuple[TokenScore, ...]:
        """Return made-up scores; the token itself is the likeliest."""
        scores = await self.score(ids, adapter)
        best = [_top(previous, token, top, adapter) for previous, token in pairwise(ids)]
        return tuple(TokenScore(logprob, tokens) for logprob, tokens in zip(scores, best, strict=True))

    async def load(self, name: str, adapter: Path) -> None:
        """Register an adapter's name; its folder is not read."""
        await self.health()
        self._adapters[name] = adapter

    async def unload(self, name: str) -> None:
        """Forget an adapter.

        Raises KitError if it is not loaded.
        """
        admit_adapter(name, self._adapters)
        del self._adapters[name]


def _logprob(previous: int, token: int, adapter: str | None) -> float:
    """Return a number between -1 and 0 that depends only on its arguments."""
    return -(1 + zlib.crc32(f"{previous} {token} {adapter}".encode()) % 1000) / 1001


def _top(previous: int, token: int, count: int, adapter: str | None) -> TopTokens:
    """Return `count` made-up likeliest tokens: the token itself, then the ids below it, each less likely."""
    first = _logprob(previous, token, adapter)
    return tuple(((token - step) % 65_536, first - step) for step in range(count))
