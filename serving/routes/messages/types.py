"""Response types of the routes under /v1/messages, for the OpenAPI documentation only: the routes write bytes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from serving.errors import ERROR_RESPONSES
from serving.routes.messages.request import TextBlock, ToolUseBlock

StopReason = Literal["end_turn", "max_tokens", "stop_sequence", "tool_use"]


class TokenUsage(BaseModel):
    """Token counts."""

    input_tokens: int
    output_tokens: int


class AnsweredMessage(BaseModel):
    """The model's answer."""

    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    model: str
    content: list[Annotated[TextBlock | ToolUseBlock, Field(discriminator="type")]]
    stop_reason: StopReason
    stop_sequence: str | None
    usage: TokenUsage


class CountedTokens(BaseModel):
    """The tokens of a dialogue."""

    input_tokens: int


class MessagesErrorDetail(BaseModel):
    """The class of error, a sentence for people, the parameter at fault, and a code for programs."""

    type: str
    message: str
    param: str | None
    code: str


class MessagesError(BaseModel):
    """Body of every error response of these routes."""

    type: Literal["error"]
    error: MessagesErrorDetail
    request_id: str


MESSAGES_ERRORS: dict[int | str, dict[str, Any]] = {status: {"model": MessagesError} for status in ERROR_RESPONSES}
