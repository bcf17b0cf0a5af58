"""The types of requests and responses: a dialogue in the shape of OpenAI's chat messages, and the message that follows.

Arguments of a call are JSON text, as in that format. A request's last message may be of any role.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from kit.task import Strict

LONGEST = 200_000  # characters of one message
MOST_TURNS, MOST_TOOLS, MOST_CALLS = 400, 128, 32
NAME = r"^[a-zA-Z0-9_.-]{1,64}$"


def _object(text: str) -> str:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ValueError("Arguments are a JSON object, written as text")
    return text


class CalledFunction(Strict):
    """The function of a call."""

    name: Annotated[str, Field(pattern=NAME, description="Name of the function")]
    arguments: Annotated[
        str, Field(max_length=LONGEST, description="The arguments: a JSON object as text"), AfterValidator(_object)
    ]

    @property
    def values(self) -> Mapping[str, Any]:
        """The arguments as an object."""
        return dict(json.loads(self.arguments))


class Call(Strict):
    """A call of a function, which the client carries out."""

    id: Annotated[
        str, Field(min_length=1, max_length=200, description="The tool message that answers it names this id")
    ]
    type: Literal["function"] = "function"
    function: CalledFunction


class SystemMessage(Strict):
    """What the assistant is told before the dialogue."""

    role: Literal["system"]
    content: Annotated[str, Field(max_length=LONGEST)]


class UserMessage(Strict):
    """What a person wrote."""

    role: Literal["user"]
    content: Annotated[str, Field(max_length=LONGEST)]


class ToolMessage(Strict):
    """What a call returned."""

    role: Literal["tool"]
    content: Annotated[str, Field(max_length=LONGEST)]
    tool_call_id: Annotated[str, Field(min_length=1, max_length=200, description="Id of the call that it answers")]


class AssistantMessage(Strict):
    """What the assistant wrote: text, calls, or text and then calls."""

    role: Literal["assistant"] = "assistant"
    content: Annotated[str | None, Field(max_length=LONGEST)] = None
    tool_calls: Annotated[tuple[Call, ...], Field(max_length=MOST_CALLS)] = ()

    @model_validator(mode="after")
    def _says_something(self) -> AssistantMessage:
        if not self.tool_calls and not (self.content or "").strip():
            raise ValueError("The assistant's message has neither text nor a call")
        if len({call.id for call in self.tool_calls}) < len(self.tool_calls):
            raise ValueError("Two calls of a message have the same id")
        return self


Turn = Annotated[SystemMessage | UserMessage | ToolMessage | AssistantMessage, Field(discriminator="role")]


class Function(Strict):
    """A function that the assistant may call."""

    name: Annotated[str, Field(pattern=NAME)]
    description: Annotated[str | None, Field(max_length=LONGEST)] = None
    parameters: Annotated[dict[str, Any] | None, Field(description="JSON schema of the arguments, an object")] = None
    strict: bool | None = None


class Tool(Strict):
    """A tool; only functions are supported."""

    type: Literal["function"] = "function"
    function: Function


class ChatRequest(Strict):
    """What a client sends: the dialogue so far, and the functions that may be called."""

    messages: Annotated[tuple[Turn, ...], Field(min_length=1, max_length=MOST_TURNS, description="Oldest first")]
    tools: Annotated[tuple[Tool, ...], Field(max_length=MOST_TOOLS, description="Functions that may be called")] = ()

    @model_validator(mode="after")
    def _answers_follow_calls(self) -> ChatRequest:
        called: set[str] = set()
        for place, message in enumerate(self.messages):
            if isinstance(message, AssistantMessage):
                called |= {call.id for call in message.tool_calls}
            if isinstance(message, ToolMessage) and message.tool_call_id not in called:
                raise ValueError(f"messages[{place}] answers '{message.tool_call_id}', which no call before it has")
        names = [tool.function.name for tool in self.tools]
        if len(set(names)) < len(names):
            raise ValueError("Two tools have the same name")
        return self


class ChatResponse(Strict):
    """What a client gets back: the next message of the assistant."""

    message: AssistantMessage
