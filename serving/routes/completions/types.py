"""Response types of text completions, for the OpenAPI documentation only: the routes write bytes."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from serving.routes.chat.types import Usage


class TextLogprobs(BaseModel):
    """The tokens of the text with their natural-log probabilities, the likeliest tokens, and places in characters."""

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None]
    text_offset: list[int]


class TextChoice(BaseModel):
    """One answer; `finish_reason` is "length" if it used all its tokens."""

    index: int
    text: str
    logprobs: TextLogprobs | None
    finish_reason: Literal["stop", "length"]


class TextCompletion(BaseModel):
    """A complete answer: `n` choices for each prompt, in the order of the prompts."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[TextChoice]
    usage: Usage
