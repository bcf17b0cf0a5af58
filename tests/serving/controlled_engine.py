"""A scripted engine that tests control: it counts active generations and can pause, fail midway, or start late."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from pathlib import Path

from kit.base import NANO
from kit.bundle.seal import Fingerprint
from kit.chat import Renderer
from kit.engines.base import Delta, Generation
from kit.engines.scripted import ScriptedEngine
from kit.task import Completion, FreeText

FINGERPRINT = Fingerprint(ids=[11, 12, 13, 14, 15], positions=[1, 2, 3], base=[-6.0, -6.5, -7.0], tuned=[-0.5] * 3)
LINE = "one two three four"
Script = Callable[[Generation], str | Exception]


def line_for(generation: Generation) -> str:
    """The default answer: one word for each token, or JSON of the task's answer type."""
    return LINE if isinstance(generation.answer, FreeText) else '{"present":true}'


class ControlledEngine(ScriptedEngine):
    """Answer with the script's lines; an exception in place of a line is raised after `before_failure` tokens.

    While `proceed` is not set, generations pause after their first token; `start` waits for `may_start`.
    """

    def __init__(
        self, script: Script = line_for, max_length: int = 2048, before_failure: int = 0, adapters: Sequence[str] = ()
    ) -> None:
        super().__init__(self._line, Renderer(NANO), max_length=max_length)
        self.script = script
        self.before_failure = before_failure
        self.adapters = adapters
        self.active = 0
        self.started = self.stopped = False
        self.answers_as_base = False
        self.start_fails: Exception | None = None
        self.proceed, self.may_start = threading.Event(), threading.Event()
        self.proceed.set()
        self.may_start.set()

    def _line(self, request: Generation, prompt: str) -> str:
        line = self.script(request)
        return LINE if isinstance(line, Exception) else line

    async def start(self) -> None:
        await _until(self.may_start)
        if self.start_fails is not None:
            raise self.start_fails
        await super().start()
        for name in self.adapters:
            await self.load(name, Path())
        self.started = True

    async def stop(self) -> None:
        await super().stop()
        self.stopped = True

    async def generate(self, request: Generation) -> Completion:
        deltas = [delta async for delta in self.stream(request)]
        ids = tuple(id for delta in deltas for id in delta.token_ids)
        text = "".join(delta.text for delta in deltas)
        logprobs = tuple(logprob for delta in deltas for logprob in delta.logprobs)
        top = tuple(tokens for delta in deltas for tokens in delta.top)
        return Completion(text, ids, logprobs, deltas[-1].finish or "abort", top, deltas[-1].stopped_by)

    async def stream(self, request: Generation) -> AsyncIterator[Delta]:
        self.active += 1
        try:
            line, spoken = self.script(request), 0
            stream = super().stream(request)
            assert isinstance(stream, AsyncGenerator)
            async with aclosing(stream) as deltas:
                async for delta in deltas:
                    if isinstance(line, Exception) and spoken == self.before_failure:
                        raise line
                    await _until(self.proceed if spoken else self.may_start)
                    yield delta
                    spoken += 1
        finally:
            self.active -= 1

    async def score(self, ids: Sequence[int], adapter: str | None = None) -> tuple[float, ...]:
        known = FINGERPRINT.base if self.answers_as_base else FINGERPRINT.tuned
        at = dict(zip(FINGERPRINT.positions, known, strict=True))
        return tuple(at.get(position, -1.0) for position in range(1, len(ids)))


async def _until(event: threading.Event) -> None:
    while not event.is_set():
        await asyncio.sleep(0.01)
