"""A dialogue that the model answers: every dialect that speaks in messages uses this path."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace

from starlette.requests import Request

from kit.engines.answerer import run_concurrently
from kit.engines.base import Delta, Generation
from kit.task import Completion
from serving.answering import Answering
from serving.errors import ServiceError
from serving.models.catalogue import Model
from serving.routes.chat.request import ChatRequest
from serving.routes.chat.tool_reading import Call, CallReader, Piece
from serving.routes.chat.tools import ToolFormat
from serving.streams import merged


@dataclass(frozen=True)
class Written:
    """A complete choice: its text, its calls, and the completion that they come from."""

    text: str
    calls: tuple[Call, ...]
    completion: Completion

    @property
    def finish(self) -> str:
        """The finish reason in OpenAI's words."""
        return "tool_calls" if self.calls and self.completion.finish == "stop" else self.completion.finish


@dataclass(frozen=True)
class Step:
    """What one delta adds to a choice: text and calls; `finish` is the finish reason at its end."""

    index: int
    pieces: list[Piece]
    delta: Delta
    finish: str | None


@dataclass(frozen=True)
class Dialogue:
    """A model and the requests to its engine, one for each choice. `form` is set if the answer may have calls."""

    model: Model
    generations: tuple[Generation, ...]
    form: ToolFormat | None = None
    forced: bool = False

    @property
    def prompt_tokens(self) -> int:
        """Number of tokens of the dialogue."""
        return len(self.generations[0].ids)

    async def complete(self) -> list[Written]:
        """Return every choice. Raises ServiceError (503) if the engine aborted one."""
        completions = await run_concurrently([self.model.engine.generate(each) for each in self.generations])
        return [self._written(refuse_aborted(completion)) for completion in completions]

    def _written(self, completion: Completion) -> Written:
        if self.form is None:
            return Written(completion.text, (), completion)
        reader = CallReader(self.form, self.forced)
        pieces = [*reader.read(completion.text), *reader.end()]
        text = "".join(piece for piece in pieces if isinstance(piece, str))
        return Written(text, tuple(piece for piece in pieces if isinstance(piece, Call)), completion)

    async def steps(self) -> AsyncGenerator[Step]:
        """Yield what each delta adds. Raises ServiceError (503) if the engine aborts a choice.

        Nothing is yielded before the engine's first delta, so that an earlier error becomes an HTTP error.
        """
        streams = [self.model.engine.stream(each) for each in self.generations]
        readers = [CallReader(self.form, self.forced) if self.form else None for _ in streams]
        ended = 0
        async with aclosing(merged(streams)) as deltas:
            async for index, delta in deltas:
                step = _step(index, delta, readers[index])
                ended += step.finish is not None
                yield step
        if ended < len(streams):
            raise aborted()


def _step(index: int, delta: Delta, reader: CallReader | None) -> Step:
    if delta.finish == "abort":
        raise aborted()
    if reader is None:
        return Step(index, [delta.text] if delta.text else [], delta, delta.finish)
    pieces = reader.read(delta.text)
    if delta.finish is None:
        return Step(index, pieces, delta, None)
    pieces += reader.end()
    return Step(index, pieces, delta, "tool_calls" if reader.made_calls and delta.finish == "stop" else delta.finish)


async def prepare(answering: Answering, request: Request, chat: ChatRequest, small: bool) -> Dialogue:
    """Choose the model and render the dialogue. The event loop renders nothing; only small dialogues use a thread.

    Raises ServiceError: 404 for an unknown model, 400 if the dialogue does not fit or asks for what is not supported.
    """
    model = answering.choose(request, chat.model)
    form = chat.tool_format(model.renderer)
    ids = await rendered(answering, model, chat, small)
    generation = replace(chat.generation(model, ids, form), messages=tuple(chat.turns()))
    return Dialogue(model, _choices(generation, chat.n or 1), form, chat.forces_call)


async def rendered(answering: Answering, model: Model, chat: ChatRequest, small: bool) -> tuple[int, ...]:
    """Return the token ids of a dialogue. Raises as `prepare` does."""
    turns, tools = chat.turns(), chat.offered()
    if problem := model.context_limit.problem(turns):
        raise ServiceError(400, "context_length_exceeded", problem, "messages")
    if small:
        return await asyncio.to_thread(model.renderer.dialogue, turns, True, tools)
    ids: tuple[int, ...] = await answering.workers.run("dialogue", model.index, turns, tools)
    return ids


def _choices(generation: Generation, count: int) -> tuple[Generation, ...]:
    """Return one request for each choice; with a seed each choice has the next one."""
    seed = generation.sampling.seed
    if seed is None:
        return (generation,) * count
    return tuple(
        replace(generation, sampling=replace(generation.sampling, seed=seed + index)) for index in range(count)
    )


def refuse_aborted(completion: Completion) -> Completion:
    """Return a completion. Raises ServiceError (503) if the engine aborted it."""
    if completion.finish == "abort":
        raise aborted()
    return completion


def aborted() -> ServiceError:
    """Return the error for an answer that the engine aborted."""
    message = "The engine aborted the answer. Send the request again."
    return ServiceError(503, "aborted", message, headers={"retry-after": "1"})
