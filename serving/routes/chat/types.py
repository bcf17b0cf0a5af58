"""Response types of the OpenAI routes, for the OpenAPI documentation only: the routes write bytes."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

Ending = Literal["stop", "length"]


class WrittenMessage(BaseModel):
    """The assistant's message."""

    role: Literal["assistant"]
    content: str
    refusal: None


class Choice(BaseModel):
    """The one answer; `finish_reason` is "length" if it used all its tokens."""

    index: int
    message: WrittenMessage
    logprobs: None
    finish_reason: Ending


class Usage(BaseModel):
    """Token counts."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class ChatCompletion(BaseModel):
    """A complete answer."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: Usage


class ModelEntry(BaseModel):
    """A model; `max_model_len` is its context in tokens."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    max_model_len: int


class ModelList(BaseModel):
    """The models of this service."""

    object: Literal["list"]
    data: list[ModelEntry]
    has_more: bool


def stream_documentation() -> dict[str, Any]:
    """Return the OpenAPI documentation of a streamed answer."""
    description = "A chat.completion.chunk as JSON; the last event is [DONE] or an error."
    data = {"type": "string", "description": description}
    event = {"type": "object", "properties": {"data": data}, "required": ["data"]}
    return {"content": {"text/event-stream": {"itemSchema": event}}}
