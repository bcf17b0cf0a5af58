"""Requests to /v1/messages, and how they become chat requests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool

from serving.errors import ServiceError
from serving.routes.chat.request import ChatMessage, ChatRequest
from serving.routes.chat.tools import Function, FunctionName, Tool
from serving.routes.number_types import Budget, Temperature, TopK, TopP

_Stop = Annotated[str, Field(min_length=1, max_length=256)]


class TextBlock(BaseModel):
    """A block of text."""

    type: Literal["text"]
    text: str


def _joined(content: Any) -> Any:
    if isinstance(content, list):
        return "\n".join(TextBlock.model_validate(block).text for block in content)
    return content


_Text = Annotated[str, BeforeValidator(_joined, json_schema_input_type=str | list[TextBlock])]


class ToolUseBlock(BaseModel):
    """A call that the model made earlier."""

    type: Literal["tool_use"]
    id: str
    name: str
    input: dict[str, Any]


class ToolResultBlock(BaseModel):
    """The result of a call."""

    type: Literal["tool_result"]
    tool_use_id: str
    content: _Text = ""
    is_error: bool | None = None


Block = Annotated[TextBlock | ToolUseBlock | ToolResultBlock, Field(discriminator="type")]


def _as_blocks(content: Any) -> Any:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


class DialogueMessage(BaseModel):
    """One message of the dialogue. Results of calls are in the user's messages."""

    role: Literal["user", "assistant"]
    content: Annotated[list[Block], BeforeValidator(_as_blocks, json_schema_input_type=str | list[Block])]

    def chat(self) -> list[ChatMessage]:
        """Return the messages of a chat request: first the results of calls, then the text with its calls."""
        results = [block for block in self.content if isinstance(block, ToolResultBlock)]
        uses = [block for block in self.content if isinstance(block, ToolUseBlock)]
        texts = [block.text for block in self.content if isinstance(block, TextBlock)]
        messages = [ChatMessage(role="tool", content=each.content, tool_call_id=each.tool_use_id) for each in results]
        if texts or uses or not results:
            messages.append(ChatMessage(role=self.role, content="\n".join(texts)))
            for use in uses:
                messages[-1].add_call(use.id, use.name, json.dumps(use.input, ensure_ascii=False))
        return messages


class ClientTool(BaseModel):
    """A function that the model may call; `input_schema` is a JSON schema."""

    type: Literal["custom"] | None = None
    name: FunctionName
    description: str | None = None
    input_schema: dict[str, Any]

    def nested(self) -> Tool:
        """Return the tool as chat requests have it."""
        function = Function(name=self.name, description=self.description, parameters=self.input_schema)
        return Tool(type="function", function=function)


class ToolChoice(BaseModel):
    """Whether the model may call a function ("auto"), must call one ("any", "tool" with its `name`), or may not."""

    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None

    def nested(self) -> Any:
        """Return the choice as chat requests have it."""
        if self.type == "tool":
            return {"type": "function", "function": {"name": self.name or ""}}
        return "required" if self.type == "any" else self.type


class NoThinking(BaseModel):
    """These models write no thoughts apart from the answer."""

    type: Literal["disabled"]


class CountRequest(BaseModel):
    """A dialogue whose tokens are counted. Other fields are ignored, or refused if they would change the answer."""

    PARAMS: ClassVar[Mapping[str, str]] = MappingProxyType({"function.parameters": "input_schema"})
    model_config = ConfigDict(extra="allow")

    messages: Annotated[list[DialogueMessage], Field(min_length=1)]
    model: str | None = None
    system: _Text | None = None
    tools: Annotated[list[ClientTool], Field(max_length=128)] | None = None
    tool_choice: ToolChoice | None = None
    thinking: NoThinking | None = None

    def chat(self) -> ChatRequest:
        """Return the same request as a chat request. Raises ValidationError if it needs tools and has none."""
        if self.messages[-1].role == "assistant":
            refusal = "The model cannot continue an answer that the client began. End with a message of the user."
            raise ServiceError(400, "invalid_value", refusal, "messages")
        messages = [ChatMessage(role="system", content=self.system)] if self.system else []
        for message in self.messages:
            messages += message.chat()
        tools = [tool.nested() for tool in self.tools or ()]
        choice = self.tool_choice.nested() if self.tool_choice else None
        return ChatRequest(messages=messages, model=self.model, tools=tools or None, tool_choice=choice, **self._rest())

    def _rest(self) -> dict[str, Any]:
        return {}


class MessagesRequest(CountRequest):
    """A request in the format of Anthropic's Messages API.

    Other fields are ignored, or refused if they would change the answer.
    """

    max_tokens: Budget
    stream: StrictBool | None = None
    stop_sequences: Annotated[list[_Stop], Field(max_length=64)] | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    top_k: TopK | None = None

    def _rest(self) -> dict[str, Any]:
        names = ("max_tokens", "stream", "temperature", "top_p", "top_k")
        return {name: getattr(self, name) for name in names} | {"stop": self.stop_sequences or []}
