"""From a typed request to a typed response: evaluation and serving share this path."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any, TypeVar

from pydantic import BaseModel

from kit.chat import Renderer
from kit.engines.base import Engine, Generation, Sampling
from kit.errors import InputError
from kit.recipe import Section
from kit.task import Completion, Message, Prompt, Shortcut, Task

Result = TypeVar("Result")


class SamplingDefaults(Section):
    """The sampling of the evaluation, which serving uses unless a request asks for another."""

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0


GREEDY = SamplingDefaults()


@dataclass(frozen=True)
class Answered:
    """A response, and its completions; `prompt_tokens` counts all tokens that the model read."""

    response: BaseModel
    completions: tuple[Completion, ...]
    prompt_tokens: int


@dataclass(frozen=True)
class BoundTask:
    """A task with its renderer, context length in tokens and adapter: everything an answer needs except the engine.

    `shots` are the turns of solved examples: they stand in every prompt after its instruction (few-shot prompting).
    """

    task: Task[Any, Any]
    renderer: Renderer
    max_length: int
    adapter: str | None = None
    defaults: SamplingDefaults = GREEDY
    shots: tuple[Message, ...] = ()

    def generations(self, request: BaseModel) -> list[Generation]:
        """Return the generations that a request needs, one per prompt.

        Raises InputError if a prompt does not fit the context.
        """
        return [self._generation(_with_shots(prompt, self.shots)) for prompt in self.task.prompts(request)]

    def shortcut(self, request: BaseModel) -> BaseModel | None:
        """Return the task's own response to a request; None if the model must answer it."""
        response: BaseModel | None = self.task.shortcut(request) if isinstance(self.task, Shortcut) else None
        return response

    def read(self, request: BaseModel, completions: Sequence[Completion]) -> BaseModel:
        """Return the response; raises UnreadableAnswer if the task cannot read the completions."""
        response: BaseModel = self.task.read(request, completions)
        return response

    def _generation(self, prompt: Prompt) -> Generation:
        ids = self.renderer.prompt(prompt)
        room = self.max_length - len(ids)
        if room < prompt.max_tokens:
            what = (
                f"The answer may need {prompt.max_tokens} tokens, but the prompt of {len(ids)} tokens leaves room for "
                f"{max(room, 0)}."
            )
            raise InputError(what, next="Send less text, or serve with a longer context (serve.max_length).")
        sampling = Sampling(
            max_tokens=prompt.max_tokens,
            temperature=self.defaults.temperature,
            top_p=self.defaults.top_p,
            top_k=self.defaults.top_k,
            stop=prompt.stop,
            stop_ids=self.renderer.stops(prompt),
        )
        return Generation(ids, sampling, prompt.answer, self.adapter, prompt.messages)


class Answerer:
    """A task with its renderer, its engine, and the engine's adapter if there is one."""

    def __init__(
        self,
        task: Task[Any, Any],
        renderer: Renderer,
        engine: Engine,
        adapter: str | None = None,
        defaults: SamplingDefaults = GREEDY,
        shots: tuple[Message, ...] = (),
    ) -> None:
        self.task = task
        self.renderer = renderer
        self.engine = engine
        self.adapter = adapter
        self.defaults = defaults
        self.shots = shots

    async def respond(self, request: BaseModel) -> Answered:
        """Answer a request. Rendering and reading run in threads, because long documents take long.

        Raises InputError if a prompt does not fit the context, UnreadableAnswer if the task cannot read what
        the model wrote.
        """
        if (shortcut := await self.shortcut(request)) is not None:
            return Answered(shortcut, (), 0)
        completions, prompt_tokens = await self.complete(request)
        response = await asyncio.to_thread(self._bound().read, request, completions)
        return Answered(response, completions, prompt_tokens)

    async def shortcut(self, request: BaseModel) -> BaseModel | None:
        """Return the task's own response to a request; None if the model must answer it."""
        if not isinstance(self.task, Shortcut):
            return None
        return await asyncio.to_thread(self._bound().shortcut, request)

    async def complete(self, request: BaseModel) -> tuple[tuple[Completion, ...], int]:
        """Return the completion of each prompt, and the number of prompt tokens in all.

        Raises InputError if a prompt does not fit the context.
        """
        generations = await asyncio.to_thread(self._bound().generations, request)
        completions = await run_concurrently([self.engine.generate(generation) for generation in generations])
        return tuple(completions), sum(len(generation.ids) for generation in generations)

    def _bound(self) -> BoundTask:
        length = self.engine.capabilities.max_length
        return BoundTask(self.task, self.renderer, length, self.adapter, self.defaults, self.shots)


def _with_shots(prompt: Prompt, shots: tuple[Message, ...]) -> Prompt:
    """Return a prompt with solved examples between its instruction and the rest."""
    if not shots:
        return prompt
    instruction = tuple(takewhile(lambda message: message.role == "system", prompt.messages))
    return replace(prompt, messages=(*instruction, *shots, *prompt.messages[len(instruction) :]))


async def run_concurrently(calls: Iterable[Coroutine[Any, Any, Result]]) -> list[Result]:
    """Run the calls concurrently and return the results in order.

    If one fails, or the caller is cancelled, the others are cancelled. The first failure is raised unchanged.
    """
    running = [asyncio.ensure_future(call) for call in calls]
    try:
        return list(await asyncio.gather(*running))
    except BaseException:
        for call in running:
            call.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        raise
