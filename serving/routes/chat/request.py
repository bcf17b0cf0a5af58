"""Requests to /v1/chat/completions: their fields, and how they become requests to the engine.

Unknown fields are ignored, because clients send many. Known fields that are not supported are refused by name, because
ignoring them would silently change the answer.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, model_validator
from pydantic_core import PydanticCustomError

from kit.chat import Renderer
from kit.engines.base import Generation
from kit.task import AnswerSpec, FreeText, JsonSchema, Message, Text, ToolCall
from serving.errors import ServiceError
from serving.limits.json_schema import client_schema
from serving.routes.chat.tools import (
    NamedTool,
    Tool,
    ToolFormat,
    WrittenCall,
    WrittenFunction,
    forced_call,
    require_format,
)
from serving.routes.number_types import Budget, Choices, TopLogprobs
from serving.routes.sampling_fields import SamplingFields
from serving.routes.unsupported import add_unsupported

if TYPE_CHECKING:
    from serving.models.catalogue import Model

_ANY_OBJECT = JsonSchema('{"type":"object"}', own=True)


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

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Annotated[str, BeforeValidator(_joined, json_schema_input_type=str | list[TextPart] | None)] = ""
    tool_calls: Annotated[list[WrittenCall], Field(max_length=128)] | None = None
    tool_call_id: str | None = None

    def turn(self) -> Message:
        """The message for the renderer. Its text is untrusted: it can never produce a special token."""
        role = "system" if self.role == "developer" else self.role
        calls = tuple(_call(each) for each in self.tool_calls or ())
        return Message(role, (Text(self.content),), calls, self.tool_call_id)

    def add_call(self, id: str, name: str, arguments: str) -> None:
        """Add a call that the assistant made in this turn; `arguments` is JSON text."""
        written = WrittenCall(id=id, function=WrittenFunction(name=name, arguments=arguments))
        self.tool_calls = [*(self.tool_calls or ()), written]


def _call(written: WrittenCall) -> ToolCall:
    """Return a call for the renderer. Raises ServiceError (400) if its arguments are no JSON object."""
    try:
        arguments = json.loads(written.function.arguments or "{}")
    except (ValueError, RecursionError):
        arguments = None
    if not isinstance(arguments, dict):
        message = f"The arguments of the call '{written.id}' are not a JSON object."
        raise ServiceError(400, "invalid_value", message, "messages")
    return ToolCall(written.id, written.function.name, json.dumps(arguments, ensure_ascii=False))


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
    n: Choices | None = None
    logprobs: StrictBool | None = None
    top_logprobs: TopLogprobs | None = None
    tools: Annotated[list[Tool], Field(max_length=128)] | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None
    parallel_tool_calls: StrictBool | None = None

    @model_validator(mode="after")
    def _top_logprobs_need_logprobs(self) -> ChatRequest:
        if self.top_logprobs and not self.logprobs:
            raise PydanticCustomError("needs_logprobs", "top_logprobs needs logprobs: true")
        return self

    @model_validator(mode="after")
    def _choice_needs_tools(self) -> ChatRequest:
        if self.tool_choice not in (None, "none", "auto") and not self.tools:
            raise PydanticCustomError("needs_tools", "tool_choice needs tools")
        return self

    @property
    def wants_usage(self) -> bool:
        """Whether a stream ends with the token counts."""
        return bool(self.stream_options and self.stream_options.include_usage)

    def turns(self) -> list[Message]:
        """The dialogue for the renderer."""
        return [message.turn() for message in self.messages]

    def offered(self) -> list[dict[str, Any]]:
        """The functions that the model sees, as chat templates read them."""
        return [] if self.tool_choice == "none" else [tool.definition() for tool in self.tools or ()]

    @property
    def forces_call(self) -> bool:
        """Whether the answer must be a call."""
        return bool(self.tools) and (self.tool_choice == "required" or isinstance(self.tool_choice, NamedTool))

    def tool_format(self, renderer: Renderer) -> ToolFormat | None:
        """Return the format of the model's calls; None if the dialogue has no tools.

        Raises ServiceError (400) if the model takes no tools, or the named function is not offered.
        """
        earlier = any(message.role == "tool" or message.tool_calls for message in self.messages)
        if not self.offered() and not earlier:
            return None
        form = require_format(renderer)
        if isinstance(self.tool_choice, NamedTool) and not self._callable():
            message = f"tool_choice names the function '{self.tool_choice.function.name}', which is not in 'tools'."
            raise ServiceError(400, "invalid_value", message, "tool_choice")
        return form if self.offered() else None

    def _callable(self) -> list[str]:
        """Return the names of the functions that a forced call may call."""
        names = [tool.function.name for tool in self.tools or ()]
        if isinstance(self.tool_choice, NamedTool):
            return [name for name in names if name == self.tool_choice.function.name]
        return names

    def generation(self, model: Model, ids: tuple[int, ...], form: ToolFormat | None = None) -> Generation:
        """Return the request to the engine. The sampling defaults are those of the bundle's evaluation.

        `ids` is the rendered dialogue; `form` is the format of the model's calls. Raises ServiceError (400) if the
        dialogue leaves no room for an answer, the schema is not supported, or the engine cannot sample with a seed.
        """
        forced = self.forces_call and form is not None
        if forced and form is not None:
            ids = (*ids, *model.renderer.trusted(form.lead))
        context = model.engine.capabilities.max_length
        room = context - len(ids)
        if room < 1:
            message = f"The dialogue has {len(ids)} tokens; the context holds {context}, including the answer."
            raise ServiceError(400, "context_length_exceeded", message, "messages")
        budget = min(self.max_completion_tokens or self.max_tokens or room, room)
        top = (self.top_logprobs or 0) if self.logprobs else None
        sampling = self.sampling(model, budget, top)
        answer = forced_call(self.tools or (), self._callable(), form) if forced and form else self._answer()
        return Generation(ids, sampling, answer, model.deployed.adapter)

    def _answer(self) -> AnswerSpec:
        return FreeText() if self.response_format is None else answer_spec(self.response_format)


def answer_spec(wanted: ResponseFormat) -> AnswerSpec:
    """Return what the engine may write. Raises ServiceError (400) if the schema is not supported."""
    if wanted.type == "text":
        return FreeText()
    if wanted.type == "json_object":
        return _ANY_OBJECT
    return client_schema(wanted.json_schema.json_schema, "response_format.json_schema.schema")
