"""Requests about tokens: one with `content` gets llama.cpp's answer, one with `prompt` or `messages` gets vLLM's."""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from kit.chat import Renderer
from serving.errors import invalid_body
from serving.routes.chat.request import ChatMessage
from serving.routes.chat.tools import Tool
from serving.routes.number_types import TokenId

_MOST_TOKENS = 2**20


class TokenizeRequest(BaseModel):
    """A text or a dialogue to tokenise."""

    model_config = ConfigDict(extra="ignore")

    model: str | None = None
    content: str | None = None
    prompt: str | None = None
    messages: Annotated[list[ChatMessage], Field(min_length=1)] | None = None
    tools: Annotated[list[Tool], Field(max_length=128)] | None = None
    add_special: StrictBool = False
    add_special_tokens: StrictBool = True
    add_generation_prompt: StrictBool = True
    parse_special: StrictBool = True
    with_pieces: StrictBool = False
    return_token_strs: StrictBool | None = None

    @model_validator(mode="after")
    def _one_source(self) -> TokenizeRequest:
        if sum(each is not None for each in (self.content, self.prompt, self.messages)) != 1:
            raise PydanticCustomError("one_source", "send one of content, prompt and messages")
        return self

    def ids(self, renderer: Renderer) -> tuple[int, ...]:
        """Return the token ids. It may take long: call it outside the event loop."""
        if self.messages is not None:
            tools = [tool.definition() for tool in self.tools or ()]
            return renderer.dialogue([each.turn() for each in self.messages], self.add_generation_prompt, tools)
        if self.prompt is not None:
            leading = renderer.leading_ids if self.add_special_tokens else ()
            return (*leading, *renderer.trusted(self.prompt))
        text = self.content or ""
        ids = renderer.trusted(text) if self.parse_special else renderer.answer(text)
        return (*(renderer.leading_ids if self.add_special else ()), *ids)


class DetokenizeRequest(BaseModel):
    """Token ids to turn into text."""

    model_config = ConfigDict(extra="ignore")

    tokens: Annotated[list[TokenId], Field(max_length=_MOST_TOKENS)]
    model: str | None = None


class TemplateRequest(BaseModel):
    """A dialogue to render."""

    model_config = ConfigDict(extra="ignore")

    messages: Annotated[list[ChatMessage], Field(min_length=1)]
    model: str | None = None


Kind = TypeVar("Kind", TokenizeRequest, DetokenizeRequest, TemplateRequest)


def parsed(body: bytes, kind: type[Kind]) -> Kind:
    """Parse a body. Raises ServiceError if it is invalid."""
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise invalid_body(error, body) from None
