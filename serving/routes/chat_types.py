"""The types of the OpenAI dialect's answers, for the documentation: the answers themselves are written as bytes."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

Ending = Literal["stop", "length"]


class WrittenMessage(BaseModel):
    """The assistant's turn."""

    role: Literal["assistant"]
    content: str
    refusal: None


class Choice(BaseModel):
    """The one answer; `finish_reason` is "length" where its budget was used up."""

    index: int
    message: WrittenMessage
    logprobs: None
    finish_reason: Ending


class Usage(BaseModel):
    """Counts in tokens."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class ChatCompletion(BaseModel):
    """A whole answer."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: Usage


class ModelEntry(BaseModel):
    """A model, and its context in tokens."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    max_model_len: int


class ModelList(BaseModel):
    """The models that answer."""

    object: Literal["list"]
    data: list[ModelEntry]
    has_more: bool


def stream_documentation() -> dict[str, Any]:
    """What the documentation says about an answer that is streamed."""
    words = "A chat.completion.chunk as JSON; the last event is [DONE], or an error."
    data = {"type": "string", "description": words}
    event = {"type": "object", "properties": {"data": data}, "required": ["data"]}
    return {"content": {"text/event-stream": {"itemSchema": event}}}
