"""An engine whose lines are given, for what a dialect does with them: it counts who is on stage, and can hold still."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from kit.bundle.seal import Fingerprint
from kit.engines.base import Capabilities, Delta, Generation
from kit.errors import KitError
from kit.task import Completion, FreeText

FINGERPRINT = Fingerprint(ids=[11, 12, 13, 14, 15], positions=[1, 2, 3], base=[-6.0, -6.5, -7.0], tuned=[-0.5] * 3)
LINE = "Good day to you."
Script = Callable[[Generation], str | Exception]


def _answer(generation: Generation) -> str:
    return LINE if isinstance(generation.answer, FreeText) else '{"present":true}'


class Stage:
    """Speaks the script's lines, a word at a time; a line that is an exception is raised after `before_failure` words.

    `curtain`, when given, is awaited before each word but the first: while it is not set, generations stand still.
    """

    def __init__(self, script: Script = _answer, max_length: int = 2048, before_failure: int = 0) -> None:
        self.script = script
        self.max_length = max_length
        self.before_failure = before_failure
        self.seen: list[Generation] = []
        self.on_stage = 0
        self.started = self.stopped = False
        self.may_start = threading.Event()
        self.may_start.set()
        self.start_fails: Exception | None = None
        self.answers_as_base = False
        self.ill: KitError | None = None
        self.curtain = threading.Event()
        self.curtain.set()

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities("stage", "1", self.max_length, adapters=True)

    async def start(self) -> None:
        while not self.may_start.is_set():
            await asyncio.sleep(0.01)
        if self.start_fails is not None:
            raise self.start_fails
        self.started = True

    async def stop(self) -> None:
        self.stopped = True

    async def health(self) -> None:
        if self.ill is not None:
            raise self.ill

    async def generate(self, request: Generation) -> Completion:
        deltas = [delta async for delta in self.stream(request)]
        ids = tuple(id for delta in deltas for id in delta.token_ids)
        text = "".join(delta.text for delta in deltas)
        return Completion(text, ids, (-0.1,) * len(ids), deltas[-1].finish or "abort")

    async def stream(self, request: Generation) -> AsyncIterator[Delta]:
        self.seen.append(request)
        self.on_stage += 1
        try:
            line = self.script(request)
            words = (LINE if isinstance(line, Exception) else line).split(" ")
            for index, word in enumerate(words[: request.sampling.max_tokens]):
                if isinstance(line, Exception) and index == self.before_failure:
                    raise line
                while index and not self.curtain.is_set():
                    await asyncio.sleep(0.01)
                yield Delta((" " if index else "") + word, (index,))
            yield Delta("", (), "stop" if len(words) <= request.sampling.max_tokens else "length")
        finally:
            self.on_stage -= 1

    async def score(self, ids: Sequence[int], adapter: str | None = None) -> tuple[float, ...]:
        known = FINGERPRINT.base if self.answers_as_base else FINGERPRINT.tuned
        at = dict(zip(FINGERPRINT.positions, known, strict=True))
        return tuple(at.get(position, -1.0) for position in range(1, len(ids)))

    async def load(self, name: str, adapter: Path) -> None:
        raise NotImplementedError

    async def unload(self, name: str) -> None:
        raise NotImplementedError
