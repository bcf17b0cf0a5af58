"""Requests to /v1/responses, and how they become chat requests."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, StrictBool, Tag
from pydantic_core import PydanticCustomError

from serving.routes.chat.request import ChatMessage, ChatRequest, ObjectFormat, StreamOptions, TextFormat
from serving.routes.chat.tools import Function, FunctionName, Tool
from serving.routes.number_types import Budget
from serving.routes.sampling_fields import SamplingFields
from serving.routes.unsupported import add_unsupported

_KINDS = ("message", "function_call", "function_call_output")


class InputPart(BaseModel):
    """One text part of a message, or of a function's result."""

    type: Literal["input_text", "output_text", "text"]
    text: str


def _joined(content: Any) -> Any:
    if isinstance(content, list):
        return "\n".join(InputPart.model_validate(part).text for part in content)
    return content


_Content = Annotated[str, BeforeValidator(_joined, json_schema_input_type=str | list[InputPart])]


class InputMessage(BaseModel):
    """One message of the dialogue."""

    type: Literal["message"] = "message"
    role: Literal["system", "developer", "user", "assistant"]
    content: _Content


class InputCall(BaseModel):
    """A call that the model made earlier; `arguments` is JSON text."""

    type: Literal["function_call"]
    call_id: str
    name: str
    arguments: str


class InputResult(BaseModel):
    """The result of a call."""

    type: Literal["function_call_output"]
    call_id: str
    output: _Content


def _kind(item: Any) -> Any:
    kind = item.get("type", "message") if isinstance(item, dict) else getattr(item, "type", None)
    return kind if kind in _KINDS else None


InputItem = Annotated[
    Annotated[InputMessage, Tag("message")]
    | Annotated[InputCall, Tag("function_call")]
    | Annotated[InputResult, Tag("function_call_output")],
    Discriminator(
        _kind,
        custom_error_type="unknown_item",
        custom_error_message=f"This service reads items of the types {', '.join(_KINDS)}",
    ),
]
_Items = Annotated[list[InputItem], Field(min_length=1)]


def _as_items(value: Any) -> Any:
    return [{"role": "user", "content": value}] if isinstance(value, str) else value


class FlatTool(BaseModel):
    """A function that the model may call; `parameters` is a JSON schema."""

    type: Literal["function"]
    name: FunctionName
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None

    def nested(self) -> Tool:
        """Return the tool as chat requests have it."""
        return Tool(type="function", function=Function(**self.model_dump(exclude={"type"})))


class FlatChoice(BaseModel):
    """The one function that the model must call."""

    type: Literal["function"]
    name: str


class FlatJsonFormat(BaseModel):
    """JSON that matches the client's schema."""

    type: Literal["json_schema"]
    name: str | None = None
    json_schema: Annotated[dict[str, Any], Field(alias="schema")]


class TextSettings(BaseModel):
    """The shape of the answer's text."""

    format: Annotated[TextFormat | ObjectFormat | FlatJsonFormat, Field(discriminator="type")] | None = None


def _not_stored(value: Any) -> Any:
    if value is not None:
        raise PydanticCustomError("not_stored", "This service stores no responses. Send the whole dialogue as 'input'")
    return value


def _no_logprobs(value: Any) -> Any:
    if isinstance(value, list) and "message.output_text.logprobs" in value:
        raise PydanticCustomError("no_logprobs", "Ask /v1/chat/completions for log-probabilities")
    return value


_Included = Annotated[str, Field(json_schema_extra={"not": {"const": "message.output_text.logprobs"}})]
_Stored = Annotated[None, BeforeValidator(_not_stored, json_schema_input_type=None)]


class ResponsesRequest(SamplingFields):
    """A request in the format of OpenAI's Responses API.

    `store` is accepted, because clients send it by default, but nothing is stored. Other fields are ignored, or
    refused if they would change the answer.
    """

    PARAMS: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"messages": "input", "function.parameters": "parameters", "response_format.json_schema": "text.format"}
    )
    model_config = ConfigDict(extra="allow", json_schema_extra=add_unsupported)

    input: Annotated[_Items, BeforeValidator(_as_items, json_schema_input_type=str | _Items)]
    instructions: str | None = None
    model: str | None = None
    stream: StrictBool | None = None
    stream_options: StreamOptions | None = None
    max_output_tokens: Budget | None = None
    text: TextSettings | None = None
    tools: Annotated[list[FlatTool], Field(max_length=128)] | None = None
    tool_choice: Literal["none", "auto", "required"] | FlatChoice | None = None
    parallel_tool_calls: StrictBool | None = None
    metadata: Annotated[dict[str, str], Field(max_length=16)] | None = None
    store: StrictBool | None = None
    previous_response_id: _Stored = None
    conversation: _Stored = None
    prompt: _Stored = None
    background: Literal[False] | None = None
    truncation: Literal["disabled"] | None = None
    include: Annotated[list[_Included], BeforeValidator(_no_logprobs)] | None = None
    top_logprobs: Literal[0] | None = None

    def chat(self) -> ChatRequest:
        """Return the same request as a chat request. Raises ValidationError if it needs tools and has none."""
        choice: Any = self.tool_choice
        if isinstance(choice, FlatChoice):
            choice = {"type": "function", "function": {"name": choice.name}}
        fields = {name: getattr(self, name) for name in SamplingFields.model_fields}
        fields |= {name: getattr(self, name) for name in ("model", "stream", "stream_options", "parallel_tool_calls")}
        fields |= {"max_tokens": self.max_output_tokens, "tool_choice": choice, "response_format": self._format()}
        tools = [tool.nested() for tool in self.tools or ()]
        return ChatRequest(messages=self._messages(), tools=tools or None, **fields)

    def echo(self) -> dict[str, Any]:
        """Return the fields that the response repeats."""
        names = {"instructions", "max_output_tokens", "tool_choice", "tools", "metadata", "text"}
        sent = self.model_dump(include=names, exclude_none=True, by_alias=True)
        defaults: dict[str, Any] = {
            "instructions": None,
            "max_output_tokens": None,
            "tool_choice": "auto",
            "tools": [],
            "metadata": {},
        }
        return {**defaults, "text": {"format": {"type": "text"}}, **sent}

    def _format(self) -> dict[str, Any] | None:
        wanted = self.text.format if self.text else None
        if isinstance(wanted, FlatJsonFormat):
            schema = {"name": wanted.name, "schema": wanted.json_schema}
            return {"type": "json_schema", "json_schema": schema}
        return None if wanted is None else {"type": wanted.type}

    def _messages(self) -> list[ChatMessage]:
        """Return the messages. Calls that follow each other, and a message before them, are one turn."""
        messages = [ChatMessage(role="system", content=self.instructions)] if self.instructions else []
        for item in self.input:
            if isinstance(item, InputMessage):
                messages.append(ChatMessage(role=item.role, content=item.content))
            elif isinstance(item, InputResult):
                messages.append(ChatMessage(role="tool", content=item.output, tool_call_id=item.call_id))
            else:
                if not messages or messages[-1].role != "assistant":
                    messages.append(ChatMessage(role="assistant"))
                messages[-1].add_call(item.call_id, item.name, item.arguments)
        return messages


def _without_messages(schema: dict[str, Any]) -> None:
    add_unsupported(schema)
    schema["not"] = {"required": ["messages"]}


class InputOnly(ResponsesRequest):
    """A Responses request on the route of chat completions: some editors send it there."""

    model_config = ConfigDict(extra="allow", json_schema_extra=_without_messages)
