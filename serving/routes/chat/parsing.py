"""Parse the bodies of the routes that take a dialogue. A chat body that follows the Responses API is translated."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import ClassVar, Protocol, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from serving.errors import ServiceError, invalid_body
from serving.limits.context_limit import ContextLimit
from serving.routes.chat.request import ChatRequest
from serving.routes.messages.request import CountRequest, MessagesRequest
from serving.routes.responses.request import ResponsesRequest
from serving.routes.unsupported import refuse_unsupported

_LARGE_BODY = 1 << 20  # bytes; a larger request can have so many messages that their validation takes seconds
_NO_MESSAGES = ("missing", ("messages",))
_T = TypeVar("_T", bound=BaseModel)


class Projected(Protocol):
    """A request in another dialect; `PARAMS` maps the names of chat fields to the names in this dialect."""

    PARAMS: ClassVar[Mapping[str, str]]

    def chat(self) -> ChatRequest:
        """Return the same request as a chat request."""
        ...


def parse_chat(body: bytes, limits: Sequence[ContextLimit]) -> ChatRequest:
    """Parse a chat request.

    Raises ServiceError if it is invalid, has an unsupported field, or fits the context of no model.
    """
    try:
        request = _validated(ChatRequest, body, limits, "messages")
    except ValidationError as error:
        if b'"input"' in body and _NO_MESSAGES in [(each["type"], each["loc"]) for each in error.errors()]:
            return parse_responses(body, limits)[1]
        raise invalid_body(error, body) from None
    _refuse_too_long(request, limits)
    return request


def parse_responses(body: bytes, limits: Sequence[ContextLimit]) -> tuple[ResponsesRequest, ChatRequest]:
    """Parse a Responses request; return it also as a chat request. Raises ServiceError as `parse_chat` does."""
    return _projected(lambda: _validated(ResponsesRequest, body, limits, "input"), body, limits)


def parse_messages(body: bytes, limits: Sequence[ContextLimit], counted: bool) -> ChatRequest:
    """Parse a request in Anthropic's format; `counted` ones may lack a budget. Raises as `parse_chat` does."""
    kind = CountRequest if counted else MessagesRequest
    return _projected(lambda: _validated(kind, body, limits, "messages"), body, limits)[1]


@contextmanager
def named_as_in(params: Mapping[str, str]) -> Iterator[None]:
    """Give the errors of the chat path the parameter names of another dialect."""
    try:
        yield
    except ServiceError as error:
        for name, own in params.items():
            error.param = error.param.replace(name, own) if error.param else None
        raise


_P = TypeVar("_P", bound=Projected)


def _projected(read: Callable[[], _P], body: bytes, limits: Sequence[ContextLimit]) -> tuple[_P, ChatRequest]:
    try:
        request = read()
        with named_as_in(request.PARAMS):
            chat = request.chat()
            _refuse_too_long(chat, limits)
    except ValidationError as error:
        raise invalid_body(error, body) from None
    return request, chat


def _validated(kind: type[_T], body: bytes, limits: Sequence[ContextLimit], field: str) -> _T:
    """Return the request. Raises ValidationError, or ServiceError if it has an unsupported field."""
    if len(body) > _LARGE_BODY:
        _refuse_too_many(body, limits, field)
    request = kind.model_validate_json(body)
    refuse_unsupported(request.model_extra or {}, kind.model_fields)
    return request


def _refuse_too_long(request: ChatRequest, limits: Sequence[ContextLimit]) -> None:
    turns = request.turns()
    problems = [limit.problem(turns) for limit in limits]
    if all(problems):
        raise ServiceError(400, "context_length_exceeded", str(problems[0]), "messages")


def _refuse_too_many(body: bytes, limits: Sequence[ContextLimit], field: str) -> None:
    """Raise ServiceError if there are more messages than tokens in any context. Invalid JSON is refused later."""
    try:
        messages = from_json(body)[field]
    except (ValueError, TypeError, KeyError):
        return
    most = max(limit.context for limit in limits)
    if isinstance(messages, list) and len(messages) > most:
        message = f"The dialogue has {len(messages)} messages, but the context has only {most} tokens."
        raise ServiceError(400, "context_length_exceeded", message, field)
