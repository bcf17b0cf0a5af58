"""Response types of the OpenAI routes, for the OpenAPI documentation only: the routes write bytes."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

from serving.routes.chat.tools import WrittenCall

Ending = Literal["stop", "length", "tool_calls"]


class LikelyToken(BaseModel):
    """A token with its natural-log probability and its bytes."""

    token: str
    logprob: float
    bytes: list[int]


class TokenLogprob(LikelyToken):
    """A token of the answer, and the likeliest tokens at its position."""

    top_logprobs: list[LikelyToken]


class ChoiceLogprobs(BaseModel):
    """Log-probabilities of the tokens of an answer."""

    content: list[TokenLogprob]
    refusal: None


class WrittenMessage(BaseModel):
    """The assistant's message; `content` is null only if it calls tools and says nothing else."""

    role: Literal["assistant"]
    content: str | None
    refusal: None
    tool_calls: list[WrittenCall] | None = None


class Choice(BaseModel):
    """One answer; `finish_reason` is "length" if it used all its tokens."""

    index: int
    message: WrittenMessage
    logprobs: ChoiceLogprobs | None
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
    """A model, or an alias of one; `bundle` is the digest of what answers, `max_model_len` its context in tokens."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    bundle: str
    max_model_len: int


class ModelList(BaseModel):
    """The models of this service."""

    object: Literal["list"]
    data: list[ModelEntry]
    has_more: bool


def stream_documentation(description: str) -> dict[str, Any]:
    """Return the OpenAPI documentation of a streamed answer; `description` says what the events are."""
    data = {"type": "string", "description": description}
    event = {"type": "object", "properties": {"data": data}, "required": ["data"]}
    return {"content": {"text/event-stream": {"itemSchema": event}}}
