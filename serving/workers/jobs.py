"""The jobs of a worker: parse and render requests, and read completions. This module does not handle processes."""

from __future__ import annotations

import pickle
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
from kit.task import Completion, Message, Stream, UnreadableAnswer
from serving.errors import invalid_body, invalid_input
from serving.limits.context_limit import ContextLimit
from serving.routes.chat.parsing import parse_chat, parse_messages, parse_responses
from serving.routes.chat.request import ChatRequest
from serving.routes.completions.request import CompletionRequest, parse_completion
from serving.routes.domain.batch import batch_items
from serving.routes.native.request import Native, parse_native
from serving.routes.tokens.request import Kind, TokenizeRequest, parsed


@dataclass(frozen=True)
class Assignment:
    """A bundle that workers handle; `adapter` is its name in the engine, `max_length` the context in tokens."""

    bundle: Bundle
    adapter: str | None
    max_length: int


class Jobs:
    """The jobs for the requests of some bundles; `index` selects the bundle. None was a bundle that nothing uses."""

    def __init__(self, assignments: Sequence[Assignment | None]) -> None:
        used = {index: each for index, each in enumerate(assignments) if each is not None}
        self._renderers = {index: each.bundle.renderer() for index, each in used.items()}
        self._tasks: dict[tuple[int, str], BoundTask] = {}
        for index, each in used.items():
            renderer, defaults = self._renderers[index], each.bundle.seal.sampling
            for task in each.bundle.tasks():
                bound = BoundTask(task, renderer, each.max_length, each.adapter, defaults)
                self._tasks[index, task.route] = bound
        self._limits = [ContextLimit.of(self._renderers[index], each.max_length) for index, each in used.items()]

    def prompts(self, index: int, route: str, body: bytes) -> list[Generation] | bytes:
        """Return the engine requests for a typed request, or the response if the task needs no model.

        Answer types become schemas, which can be pickled. Raises ServiceError if the body is not a valid request or the
        task refuses it.
        """
        bound = self._tasks[index, route]
        request = _request(bound, body)
        try:
            if (shortcut := bound.shortcut(request)) is not None:
                return _dumped(shortcut)
            generations = bound.generations(request)
        except InputError as error:
            raise invalid_input(error, type(request).model_fields) from None
        return [replace(each, answer=as_schema(each.answer)) for each in generations]

    def read(self, index: int, route: str, body: bytes, completions: Sequence[Completion]) -> bytes:
        """Return the response to a typed request as JSON. Raises UnreadableAnswer if the task cannot make one."""
        bound = self._tasks[index, route]
        response = bound.read(_request(bound, body), completions)
        return _dumped(response)

    def events(
        self, index: int, route: str, body: bytes, reader: bytes | None, written: Sequence[tuple[int, str]]
    ) -> tuple[bytes, list[tuple[str, bytes]]]:
        """Read new text of a stream: return the reader's state, and the name and JSON of each new event.

        `reader` is the state that the last call returned. Any worker can go on with it.
        """
        task = self._tasks[index, route].task
        if not isinstance(task, Stream):
            raise InputError("This task does not stream.")
        follower = task.follow(_request(self._tasks[index, route], body)) if reader is None else pickle.loads(reader)
        found = [event for prompt, text in written for event in follower.read(prompt, text)]
        return pickle.dumps(follower), [(_event_name(task, event), _dumped(event)) for event in found]

    def items(self, body: bytes) -> list[bytes]:
        """Return the requests of a batch, each as JSON. Raises ServiceError if the body is no batch."""
        return batch_items(body)

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

    def completion(self, body: bytes, kind: type[CompletionRequest]) -> CompletionRequest:
        """Parse a completion request. Raises ServiceError if it is invalid."""
        return parse_completion(body, kind)

    def prompt_ids(self, index: int, request: CompletionRequest) -> list[tuple[int, ...]]:
        """Return the token ids of each prompt. Raises ServiceError if one is not usable."""
        return request.ids(self._renderers[index])

    def native(self, body: bytes, kind: type[Native]) -> Native:
        """Parse a request in llama.cpp's dialect. Raises ServiceError if it is invalid."""
        return parse_native(body, kind)

    def native_ids(self, index: int, request: Native) -> tuple[int, ...]:
        """Return the token ids of such a request's prompt. Raises ServiceError if it is not usable."""
        return request.ids(self._renderers[index])

    def parsed(self, body: bytes, kind: type[Kind]) -> Kind:
        """Parse a request about tokens. Raises ServiceError if it is invalid."""
        return parsed(body, kind)

    def token_ids(self, index: int, request: TokenizeRequest) -> tuple[int, ...]:
        """Return the token ids of a text or a dialogue."""
        return request.ids(self._renderers[index])

    def dialogue_text(self, index: int, turns: Sequence[Message]) -> str:
        """Return the text of a dialogue. Raises InputError if the chat template refuses it."""
        return self._renderers[index].text(turns, generation=True)


def _event_name(task: Stream, event: BaseModel) -> str:
    """Return the name of an event. Raises UnreadableAnswer if the task did not declare its type."""
    for name, kind in task.event_types.items():
        if type(event) is kind:
            return name
    raise UnreadableAnswer(f"The task's event_types do not name the event {type(event).__name__}.")


def _dumped(value: BaseModel) -> bytes:
    return value.model_dump_json(by_alias=True).encode()


def _request(bound: BoundTask, body: bytes) -> Any:
    wanted: type[BaseModel] = bound.task.request_type
    try:
        return wanted.model_validate_json(body)
    except ValidationError as error:
        raise invalid_body(error, body) from None
