"""Response types of the routes of tokens, for the OpenAPI documentation only."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class Tokens(BaseModel):
    """Token ids; with `prompt` or `messages` also their number and the context."""

    model_config = ConfigDict(extra="allow")

    tokens: list[Any]
    count: int | None = None
    max_model_len: int | None = None


class Detokenized(BaseModel):
    """The text, by llama.cpp's name and by vLLM's."""

    content: str
    prompt: str


class Templated(BaseModel):
    """A rendered dialogue, to send as the prompt of a completion."""

    prompt: str


class TokenizerInfo(BaseModel):
    """What evaluation tools read of a tokenizer."""

    tokenizer_class: str
    bos_token: str | None
    eos_token: str | None
    pad_token: str | None
    chat_template: str
