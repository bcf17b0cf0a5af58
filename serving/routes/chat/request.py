"""Requests to /v1/chat/completions: their fields, and how they become requests to the engine.

Unknown fields are ignored, because clients send many. Known fields that are not supported are refused by name, because
ignoring them would silently change the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, ValidationError
from pydantic_core import from_json

from kit.engines.base import Generation
from kit.task import AnswerSpec, FreeText, JsonSchema, Message
from serving.context_limit import ContextLimit
from serving.errors import ServiceError, invalid_body
from serving.json_schema import client_schema
from serving.routes.number_types import Budget
from serving.routes.sampling_fields import SamplingFields
from serving.routes.unsupported import add_unsupported, refuse_unsupported

if TYPE_CHECKING:
    from serving.catalogue import Model

_LARGE_BODY = 1 << 20  # bytes; a larger request can have so many messages that their validation takes seconds
_ANY_OBJECT = JsonSchema('{"type":"object"}')


class TextPart(BaseModel):
    """One text part of a message's content."""

    type: Literal["text"]
    text: str


def _joined(content: Any) -> Any:
    """Join a message's content into one string: clients send a string, a list of text parts, or null."""
    if isinstance(content, list):
        return "\n".join(TextPart.model_validate(part).text for part in content)
    return "" if content is None else content


class ChatMessage(BaseModel):
    """One message of the dialogue."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[str, BeforeValidator(_joined, json_schema_input_type=str | list[TextPart] | None)] = ""

    def turn(self) -> Message:
        """The message for the renderer. Its text is untrusted: it can never produce a special token."""
        return Message.of("system" if self.role == "developer" else self.role, self.content)


class StreamOptions(BaseModel):
    """Options of a streamed answer."""

    include_usage: StrictBool | None = None
    continuous_usage_stats: Literal[False] | None = None  # from vLLM; a client that sets it waits for counts


class SchemaFormat(BaseModel):
    """A named JSON schema."""

    name: str | None = None
    json_schema: Annotated[dict[str, Any], Field(alias="schema")]


class TextFormat(BaseModel):
    """Free text."""

    type: Literal["text"]


class ObjectFormat(BaseModel):
    """Any JSON object."""

    type: Literal["json_object"]


class JsonFormat(BaseModel):
    """JSON that matches the client's schema."""

    type: Literal["json_schema"]
    json_schema: SchemaFormat


ResponseFormat = Annotated[TextFormat | ObjectFormat | JsonFormat, Field(discriminator="type")]


class ChatRequest(SamplingFields):
    """A chat request in OpenAI's format. Other fields are ignored, or refused if they would change the answer."""

    model_config = ConfigDict(extra="allow", json_schema_extra=add_unsupported)

    messages: Annotated[list[ChatMessage], Field(min_length=1)]
    model: str | None = None
    stream: StrictBool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Budget | None = None
    max_completion_tokens: Budget | None = None
    response_format: ResponseFormat | None = None

    @property
    def wants_usage(self) -> bool:
        """Whether a stream ends with the token counts."""
        return bool(self.stream_options and self.stream_options.include_usage)

    def turns(self) -> list[Message]:
        """The dialogue for the renderer."""
        return [message.turn() for message in self.messages]

    def generation(self, model: Model, ids: tuple[int, ...]) -> Generation:
        """Return the request to the engine. The sampling defaults are those of the bundle's evaluation.

        `ids` is the rendered dialogue. Raises ServiceError (400) if the dialogue leaves no room
        for an answer, the schema is not supported, or the engine cannot sample with a seed.
        """
        context = model.engine.capabilities.max_length
        room = context - len(ids)
        if room < 1:
            message = f"The dialogue has {len(ids)} tokens; the context holds {context}, including the answer."
            raise ServiceError(400, "context_length_exceeded", message, "messages")
        budget = min(self.max_completion_tokens or self.max_tokens or room, room)
        sampling = self.sampling(model, budget)
        return Generation(ids, sampling, self._answer(), model.deployed.adapter)

    def _answer(self) -> AnswerSpec:
        wanted = self.response_format
        if wanted is None or wanted.type == "text":
            return FreeText()
        if wanted.type == "json_object":
            return _ANY_OBJECT
        return client_schema(wanted.json_schema.json_schema, "response_format.json_schema.schema")


def parse_chat(body: bytes, limits: Sequence[ContextLimit]) -> ChatRequest:
    """Parse a chat request.

    Raises ServiceError if it is invalid, has an unsupported field, or fits the context of no model.
    """
    if len(body) > _LARGE_BODY:
        _refuse_too_many_messages(body, limits)
    try:
        request = ChatRequest.model_validate_json(body)
    except ValidationError as error:
        raise invalid_body(error, body) from None
    refuse_unsupported(request.model_extra or {}, ChatRequest.model_fields)
    turns = request.turns()
    problems = [limit.problem(turns) for limit in limits]
    if all(problems):
        raise ServiceError(400, "context_length_exceeded", str(problems[0]), "messages")
    return request


def _refuse_too_many_messages(body: bytes, limits: Sequence[ContextLimit]) -> None:
    """Raise ServiceError if there are more messages than tokens in any context. Invalid JSON is refused later."""
    try:
        messages = from_json(body)["messages"]
    except (ValueError, TypeError, KeyError):
        return
    most = max(limit.context for limit in limits)
    if isinstance(messages, list) and len(messages) > most:
        message = f"The dialogue has {len(messages)} messages, but the context has only {most} tokens."
        raise ServiceError(400, "context_length_exceeded", message, "messages")
