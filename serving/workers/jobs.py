"""What a worker does: it reads and renders requests, and reads answers. Nothing here knows of processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, ValidationError

from kit.bundle.store import Bundle
from kit.engines.answerer import BoundTask
from kit.engines.base import Generation
from kit.engines.structured import as_schema
from kit.errors import InputError
from kit.task import Completion, Message
from serving.errors import invalid_body, refused_input
from serving.fitting import Fit
from serving.routes.chat_request import ChatRequest, parse_chat


@dataclass(frozen=True)
class Assignment:
    """A bundle whose requests are to be read and rendered; `adapter` is its name in the engine."""

    bundle: Bundle
    adapter: str | None
    max_length: int


class Jobs:
    """The jobs of some bundles, each named by its place among them."""

    def __init__(self, assignments: Sequence[Assignment]) -> None:
        self._renderers = [each.bundle.renderer() for each in assignments]
        self._tasks: dict[tuple[int, str], BoundTask] = {}
        for place, (each, renderer) in enumerate(zip(assignments, self._renderers, strict=True)):
            defaults = each.bundle.seal.sampling
            for task in each.bundle.tasks():
                bound = BoundTask(task, renderer, each.max_length, each.adapter, defaults)
                self._tasks[place, task.route] = bound
        self._fits = [
            Fit.of(renderer, each.max_length) for renderer, each in zip(self._renderers, assignments, strict=True)
        ]

    def prompts(self, place: int, route: str, body: bytes) -> list[Generation]:
        """Return what a typed request asks of the engine; an answer type becomes its schema, to leave the process.

        Raises ServiceError where the body is no request, and where the task refuses it.
        """
        bound = self._tasks[place, route]
        request = _request(bound, body)
        try:
            generations = bound.generations(request)
        except InputError as error:
            raise refused_input(error, type(request).model_fields) from None
        return [replace(each, answer=as_schema(each.answer)) for each in generations]

    def read(self, place: int, route: str, body: bytes, completions: Sequence[Completion]) -> bytes:
        """Return the response to a typed request as JSON; raises UnreadableAnswer where the task can make none."""
        bound = self._tasks[place, route]
        response = bound.read(_request(bound, body), completions)
        return response.model_dump_json(by_alias=True).encode()

    def chat(self, body: bytes) -> ChatRequest:
        """Return a chat request; raises ServiceError where it is none, or fits no bundle's context."""
        return parse_chat(body, self._fits)

    def dialogue(self, place: int, turns: Sequence[Message]) -> tuple[int, ...]:
        """Return the token ids of a dialogue; raises InputError where the template refuses it."""
        return self._renderers[place].dialogue(turns, generation=True)


def _request(bound: BoundTask, body: bytes) -> Any:
    wanted: type[BaseModel] = bound.task.request_type
    try:
        return wanted.model_validate_json(body)
    except ValidationError as error:
        raise invalid_body(error, body) from None
