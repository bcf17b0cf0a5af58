"""What clients may ask of /v1/chat/completions, and what becomes of it.

Fields that nobody knows are ignored, as clients send many. Fields that are known and not supported are refused by name,
because to ignore them would change the answer silently.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field

from kit.engines.base import Generation, Sampling
from kit.task import AnswerSpec, FreeText, JsonSchema, Message
from serving.errors import ServiceError
from serving.json_schema import client_schema
from serving.models import Model

# Values that ask for nothing; anything else in these fields is refused.
_NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "n": (None, 1),
    "tools": (None, []),
    "tool_choice": (None, "none", "auto"),
    "functions": (None, []),
    "function_call": (None, "none", "auto"),
    "logprobs": (None, False),
    "top_logprobs": (None, 0),
    "logit_bias": (None, {}),
    "presence_penalty": (None, 0),
    "frequency_penalty": (None, 0),
    "audio": (None,),
    "modalities": (None, ["text"]),
}
_ANY_OBJECT = JsonSchema('{"type":"object"}')


class TextPart(BaseModel):
    """A piece of a message's content."""

    type: Literal["text"]
    text: str


def _joined(content: Any) -> Any:
    """Content as one string: clients send a string, a list of text parts, or null."""
    if isinstance(content, list):
        return "\n".join(TextPart.model_validate(part).text for part in content)
    return "" if content is None else content


def _listed(stop: Any) -> Any:
    return [] if stop is None else [stop] if isinstance(stop, str) else stop


class ChatMessage(BaseModel):
    """One turn of the dialogue."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[str, BeforeValidator(_joined, json_schema_input_type=str | list[TextPart] | None)] = ""

    def turn(self) -> Message:
        """The turn as the renderer takes it; its text is never trusted to hold special tokens."""
        return Message.of("system" if self.role == "developer" else self.role, self.content)


class StreamOptions(BaseModel):
    """How a stream ends."""

    include_usage: bool | None = None


class SchemaFormat(BaseModel):
    """A named JSON schema."""

    name: str | None = None
    json_schema: Annotated[dict[str, Any], Field(alias="schema")]


class ResponseFormat(BaseModel):
    """The shape that the answer must have."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: SchemaFormat | None = None


class ChatRequest(BaseModel):
    """A request of the OpenAI dialect."""

    messages: Annotated[list[ChatMessage], Field(min_length=1)]
    model: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int | None, Field(ge=1)] = None
    max_completion_tokens: Annotated[int | None, Field(ge=1)] = None
    temperature: Annotated[float | None, Field(ge=0, le=2)] = None
    top_p: Annotated[float | None, Field(gt=0, le=1)] = None
    top_k: Annotated[int | None, Field(ge=-1)] = None
    seed: Annotated[int | None, Field(ge=-(2**63), lt=2**63)] = None
    stop: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=256)]],
        Field(max_length=64),
        BeforeValidator(_listed, json_schema_input_type=str | list[str] | None),
    ] = []
    response_format: ResponseFormat | None = None
    n: Any = None
    tools: Any = None
    tool_choice: Any = None
    functions: Any = None
    function_call: Any = None
    logprobs: Any = None
    top_logprobs: Any = None
    logit_bias: Any = None
    presence_penalty: Any = None
    frequency_penalty: Any = None
    audio: Any = None
    modalities: Any = None

    @property
    def wants_usage(self) -> bool:
        """Whether a stream is to end with the token counts."""
        return bool(self.stream_options and self.stream_options.include_usage)

    def generation(self, model: Model, context: int) -> Generation:
        """Return the request to the engine; what the client leaves open is as it was evaluated.

        Raises ServiceError (400) for what is not supported and for a dialogue that fills the context.
        """
        self._refuse_unsupported()
        ids = model.renderer.dialogue([message.turn() for message in self.messages], generation=True)
        room = context - len(ids)
        if room < 1:
            message = f"The dialogue has {len(ids)} tokens; the context holds {context}, the answer included."
            raise ServiceError(400, "context_length_exceeded", message, "messages")
        budget = min(self.max_completion_tokens or self.max_tokens or room, room)
        return Generation(ids, self._sampling(model, budget), self._answer(), model.deployed.adapter)

    def _refuse_unsupported(self) -> None:
        for name, neutral in _NEUTRAL.items():
            if getattr(self, name) not in neutral:
                what = f"'{name}' is not supported with this value; leave it out."
                raise ServiceError(400, "unsupported_parameter", what, name)

    def _sampling(self, model: Model, budget: int) -> Sampling:
        sealed = model.deployed.bundle.seal.sampling
        return Sampling(
            max_tokens=budget,
            temperature=sealed.temperature if self.temperature is None else self.temperature,
            top_p=sealed.top_p if self.top_p is None else self.top_p,
            top_k=sealed.top_k if self.top_k is None else max(self.top_k, 0),
            seed=self.seed,
            stop=tuple(self.stop),
            stop_ids=model.renderer.stop_ids,
        )

    def _answer(self) -> AnswerSpec:
        wanted = self.response_format
        if wanted is None or wanted.type == "text":
            return FreeText()
        if wanted.type == "json_object":
            return _ANY_OBJECT
        if wanted.json_schema is None:
            raise ServiceError(400, "missing_schema", "The schema is missing.", "response_format.json_schema")
        return client_schema(wanted.json_schema.json_schema, "response_format.json_schema.schema")
