"""A typed answer as server-sent events: the task's own events while the model writes, and the whole response last."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any

from kit.engines.base import Delta, Generation
from kit.task import Completion, Finish, TopTokens, UnreadableAnswer
from serving.errors import ServiceError
from serving.models.catalogue import Model
from serving.observability.typed_answers import TypedAnswers
from serving.routes.chat.dialogue import aborted
from serving.streams import merged
from serving.workers.pool import Workers


def event(name: str, data: bytes) -> bytes:
    """Return one server-sent event with a name."""
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"


def error_event(error: ServiceError) -> bytes:
    """Return the event that ends a failed stream."""
    return event("error", error.body())


@dataclass
class _Growing:
    """A completion that grows delta by delta."""

    text: str = ""
    token_ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    top: list[TopTokens] = field(default_factory=list)
    finish: Finish = "abort"
    stopped_by: str | None = None

    def add(self, delta: Delta) -> None:
        self.text += delta.text
        self.token_ids += delta.token_ids
        self.logprobs += delta.logprobs
        self.top += delta.top
        self.finish = delta.finish or self.finish
        self.stopped_by = delta.stopped_by or self.stopped_by

    def completion(self) -> Completion:
        ids, logprobs, top = tuple(self.token_ids), tuple(self.logprobs), tuple(self.top)
        return Completion(self.text, ids, logprobs, self.finish, top, self.stopped_by)


class TypedStream:
    """The stream of one typed request. Workers run the task's reader: what waits is read in one call."""

    def __init__(
        self,
        model: Model,
        route: str,
        workers: Workers,
        body: bytes,
        generations: Sequence[Generation],
        counted: TypedAnswers,
    ) -> None:
        self._model, self._route, self._workers, self._body = model, route, workers, body
        self._counted = counted
        self._generations = generations
        self._completions = [_Growing() for _ in generations]
        self._waiting: list[tuple[int, str]] = []
        self._changed = asyncio.Event()

    async def events(self) -> AsyncGenerator[bytes, None]:
        """Yield the task's events, then `response`. Raises the error that the engine or the task raised."""
        collecting = asyncio.ensure_future(self._collect())
        collecting.add_done_callback(lambda _: self._changed.set())
        reader: bytes | None = None
        try:
            while not collecting.done() or self._waiting:
                await self._changed.wait()
                self._changed.clear()
                if collecting.done():
                    collecting.result()
                written, self._waiting = self._waiting, []
                if not written:
                    continue
                reader, found = await self._run("events", reader, written)
                for name, data in found:
                    yield event(name, data)
                if collecting.done():
                    self._changed.set()
            collecting.result()
        finally:
            collecting.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await collecting
        yield event("response", await self._response())

    async def _response(self) -> bytes:
        """Return the whole response, and count whether the task could read it."""
        try:
            response: bytes = await self._run("read", [each.completion() for each in self._completions])
        except UnreadableAnswer:
            self._counted.unreadable(self._model, self._route)
            raise
        self._counted.read(self._model, self._route, response)
        return response

    async def _collect(self) -> None:
        """Take every delta of the engine. Raises ServiceError (503) if it aborts an answer."""
        streams = [self._model.engine.stream(each) for each in self._generations]
        async with aclosing(merged(streams)) as deltas:
            async for index, delta in deltas:
                if delta.finish == "abort":
                    raise aborted()
                self._completions[index].add(delta)
                self._waiting.append((index, delta.text))
                self._changed.set()

    async def _run(self, job: str, *arguments: object) -> Any:
        return await self._workers.run(job, self._model.index, self._route, self._body, *arguments)
