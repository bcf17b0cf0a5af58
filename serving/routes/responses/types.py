"""Response types of /v1/responses, for the OpenAPI documentation only: the route writes bytes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

Status = Literal["completed", "incomplete"]


class OutputText(BaseModel):
    """The text of a message."""

    type: Literal["output_text"]
    text: str
    annotations: list[dict[str, Any]]
    logprobs: list[dict[str, Any]]


class OutputMessage(BaseModel):
    """A message that the model wrote."""

    type: Literal["message"]
    id: str
    status: Status
    role: Literal["assistant"]
    content: list[OutputText]


class OutputCall(BaseModel):
    """A call that the model made; `arguments` is JSON text."""

    type: Literal["function_call"]
    id: str
    call_id: str
    name: str
    arguments: str
    status: Status


class Details(BaseModel):
    """Why an answer is incomplete."""

    reason: Literal["max_output_tokens"]


class InputDetails(BaseModel):
    """Tokens of the input that cost less; always 0."""

    cached_tokens: int


class OutputDetails(BaseModel):
    """Tokens of thoughts; always 0."""

    reasoning_tokens: int


class ResponseUsage(BaseModel):
    """Token counts."""

    input_tokens: int
    input_tokens_details: InputDetails
    output_tokens: int
    output_tokens_details: OutputDetails
    total_tokens: int


class ResponseObject(BaseModel):
    """A complete answer, with the request's own settings. `store` is false: nothing is stored."""

    id: str
    object: Literal["response"]
    created_at: int
    model: str
    status: Status
    error: None
    incomplete_details: Details | None
    output: list[Annotated[OutputMessage | OutputCall, Field(discriminator="type")]]
    usage: ResponseUsage
    instructions: str | None
    max_output_tokens: int | None
    metadata: dict[str, str]
    parallel_tool_calls: bool
    previous_response_id: None
    store: Literal[False]
    temperature: float
    top_p: float
    text: dict[str, Any]
    tool_choice: str | dict[str, Any]
    tools: list[dict[str, Any]]
    truncation: Literal["disabled"]
