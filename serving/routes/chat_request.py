"""What clients may ask of /v1/chat/completions, and what becomes of it.

Fields that nobody knows are ignored, as clients send many. Fields that are known and not supported are refused by name,
because to ignore them would change the answer silently.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, ValidationError
from pydantic_core import from_json

from kit.engines.base import Generation, Sampling
from kit.task import AnswerSpec, FreeText, JsonSchema, Message
from serving.errors import ServiceError, invalid_body
from serving.fitting import Fit
from serving.json_schema import client_schema
from serving.routes.numbers import Budget, Seed, Temperature, TopK, TopP
from serving.routes.unsupported import add_unsupported, refuse_unsupported

if TYPE_CHECKING:
    from serving.catalogue import Model

_LONG = 1 << 20  # bytes of a request in which so many messages can stand that each one's validation takes seconds
_ANY_OBJECT = JsonSchema('{"type":"object"}')
_Stop = Annotated[str, Field(min_length=1, max_length=256)]
_Stops = Annotated[list[_Stop], Field(max_length=64)]


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

    include_usage: StrictBool | None = None
    continuous_usage_stats: Literal[False] | None = None  # vLLM's; ignored, a client would wait for counts in vain


class SchemaFormat(BaseModel):
    """A named JSON schema."""

    name: str | None = None
    json_schema: Annotated[dict[str, Any], Field(alias="schema")]


class TextFormat(BaseModel):
    """Any text."""

    type: Literal["text"]


class ObjectFormat(BaseModel):
    """Any JSON object."""

    type: Literal["json_object"]


class JsonFormat(BaseModel):
    """JSON of a schema that the client gives."""

    type: Literal["json_schema"]
    json_schema: SchemaFormat


ResponseFormat = Annotated[TextFormat | ObjectFormat | JsonFormat, Field(discriminator="type")]


class ChatRequest(BaseModel):
    """A request of the OpenAI dialect. Fields that are not listed are ignored, or refused by name where they matter."""

    model_config = ConfigDict(extra="allow", json_schema_extra=add_unsupported)

    messages: Annotated[list[ChatMessage], Field(min_length=1)]
    model: str | None = None
    stream: StrictBool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Budget | None = None
    max_completion_tokens: Budget | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    top_k: TopK | None = None
    seed: Seed | None = None
    stop: Annotated[_Stops, BeforeValidator(_listed, json_schema_input_type=_Stop | _Stops | None)] = []
    response_format: ResponseFormat | None = None

    @property
    def wants_usage(self) -> bool:
        """Whether a stream is to end with the token counts."""
        return bool(self.stream_options and self.stream_options.include_usage)

    def turns(self) -> list[Message]:
        """The dialogue as the renderer takes it."""
        return [message.turn() for message in self.messages]

    def generation(self, model: Model, ids: tuple[int, ...], context: int, seeds: bool = True) -> Generation:
        """Return the request to the engine; what the client leaves open is as it was evaluated.

        `ids` is the rendered dialogue. Raises ServiceError (400) for a dialogue that fills the context, for a schema
        that is not taken, and for a seed where the engine takes none.
        """
        room = context - len(ids)
        if room < 1:
            message = f"The dialogue has {len(ids)} tokens; the context holds {context}, the answer included."
            raise ServiceError(400, "context_length_exceeded", message, "messages")
        budget = min(self.max_completion_tokens or self.max_tokens or room, room)
        sampling = self._sampling(model, budget)
        if sampling.seed is not None and sampling.temperature > 0 and not seeds:
            message = "This engine cannot sample from a seed; leave 'seed' out, or set temperature to 0."
            raise ServiceError(400, "unsupported_parameter", message, "seed")
        return Generation(ids, sampling, self._answer(), model.deployed.adapter)

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
        return client_schema(wanted.json_schema.json_schema, "response_format.json_schema.schema")


def parse_chat(body: bytes, fits: Sequence[Fit]) -> ChatRequest:
    """Return a chat request from its JSON.

    Raises ServiceError where it is none, asks for what is not supported, or fits the context of none of the models.
    """
    if len(body) > _LONG:
        _refuse_too_many(body, fits)
    try:
        request = ChatRequest.model_validate_json(body)
    except ValidationError as error:
        raise invalid_body(error, body) from None
    refuse_unsupported(request.model_extra or {}, ChatRequest.model_fields)
    turns = request.turns()
    problems = [fit.problem(turns) for fit in fits]
    if all(problems):
        raise ServiceError(400, "context_length_exceeded", str(problems[0]), "messages")
    return request


def _refuse_too_many(body: bytes, fits: Sequence[Fit]) -> None:
    """Raise ServiceError where there are more messages than tokens in any context; what is no JSON comes later."""
    try:
        messages = from_json(body)["messages"]
    except (ValueError, TypeError, KeyError):
        return
    most = max(fit.context for fit in fits)
    if isinstance(messages, list) and len(messages) > most:
        message = f"The dialogue has {len(messages)} messages; the context holds {most} tokens."
        raise ServiceError(400, "context_length_exceeded", message, "messages")
