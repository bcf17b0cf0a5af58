"""Response types of llama.cpp's dialect, for the OpenAPI documentation only: the routes write bytes."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class NativeResult(BaseModel):
    """An answer. With `response_fields` it has only these fields, and `content`."""

    model_config = ConfigDict(extra="allow")

    content: str | None = None
    stop: bool | None = None
    tokens_predicted: int | None = None
    tokens_evaluated: int | None = None
    truncated: bool | None = None
    stop_type: str | None = None
    stopping_word: str | None = None
    timings: dict[str, float] | None = None
    generation_settings: dict[str, Any] | None = None


class GenerationSettings(BaseModel):
    """The context in tokens."""

    n_ctx: int


class Properties(BaseModel):
    """Properties of a model, for clients that read its context size and its chat template."""

    default_generation_settings: GenerationSettings
    total_slots: int
    model_alias: str
    model_path: str
    chat_template: str
    build_info: str
