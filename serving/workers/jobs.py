"""The jobs of a worker: parse and render requests, and read completions. This module does not handle processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, ValidationError

from kit.bundle.store import Bundle
from kit.chat import Tools
from kit.engines.answerer import BoundTask
from kit.engines.base import Generation
from kit.engines.structured import as_schema
from kit.errors import InputError
from kit.task import Completion, Message
from serving.context_limit import ContextLimit
from serving.errors import invalid_body, invalid_input
from serving.routes.chat.parsing import parse_chat, parse_messages, parse_responses
from serving.routes.chat.request import ChatRequest


@dataclass(frozen=True)
class Assignment:
    """A bundle that workers handle; `adapter` is its name in the engine, `max_length` the context in tokens."""

    bundle: Bundle
    adapter: str | None
    max_length: int


class Jobs:
    """The jobs for the requests of some bundles; `index` selects the bundle."""

    def __init__(self, assignments: Sequence[Assignment]) -> None:
        self._renderers = [each.bundle.renderer() for each in assignments]
        self._tasks: dict[tuple[int, str], BoundTask] = {}
        for index, (each, renderer) in enumerate(zip(assignments, self._renderers, strict=True)):
            defaults = each.bundle.seal.sampling
            for task in each.bundle.tasks():
                bound = BoundTask(task, renderer, each.max_length, each.adapter, defaults)
                self._tasks[index, task.route] = bound
        self._limits = [
            ContextLimit.of(renderer, each.max_length)
            for renderer, each in zip(self._renderers, assignments, strict=True)
        ]

    def prompts(self, index: int, route: str, body: bytes) -> list[Generation]:
        """Return the engine requests for a typed request. Answer types become schemas, which can be pickled.

        Raises ServiceError if the body is not a valid request or the task refuses it.
        """
        bound = self._tasks[index, route]
        request = _request(bound, body)
        try:
            generations = bound.generations(request)
        except InputError as error:
            raise invalid_input(error, type(request).model_fields) from None
        return [replace(each, answer=as_schema(each.answer)) for each in generations]

    def read(self, index: int, route: str, body: bytes, completions: Sequence[Completion]) -> bytes:
        """Return the response to a typed request as JSON. Raises UnreadableAnswer if the task cannot make one."""
        bound = self._tasks[index, route]
        response = bound.read(_request(bound, body), completions)
        return response.model_dump_json(by_alias=True).encode()

    def chat(self, body: bytes) -> ChatRequest:
        """Parse a chat request. Raises ServiceError if it is invalid or fits no bundle's context."""
        return parse_chat(body, self._limits)

    def responses(self, body: bytes) -> tuple[dict[str, Any], ChatRequest]:
        """Parse a Responses request; return what the response repeats, and the chat request. Raises as `chat`."""
        asked, chat = parse_responses(body, self._limits)
        return asked.echo(), chat

    def messages(self, body: bytes, counted: bool) -> ChatRequest:
        """Parse a request in Anthropic's format. Raises as `chat`."""
        return parse_messages(body, self._limits, counted)

    def dialogue(self, index: int, turns: Sequence[Message], tools: Tools = ()) -> tuple[int, ...]:
        """Return the token ids of a dialogue. Raises InputError if the chat template refuses it."""
        return self._renderers[index].dialogue(turns, True, tools)


def _request(bound: BoundTask, body: bytes) -> Any:
    wanted: type[BaseModel] = bound.task.request_type
    try:
        return wanted.model_validate_json(body)
    except ValidationError as error:
        raise invalid_body(error, body) from None
