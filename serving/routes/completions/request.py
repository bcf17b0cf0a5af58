"""Requests to /v1/completions: their fields, and how they become requests to the engine.

The client writes the whole prompt: the names of special tokens in its text stand for these tokens, so that an editor
can send its own sentinels. With a suffix the service makes the sentinels, and no text can become one. A complete prompt
in the sentinels of another family is made again with the base's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import ConfigDict, Field, StrictBool, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from kit.chat import Renderer
from kit.engines.base import Generation, Sampling
from kit.errors import InputError
from kit.infill import foreign_gap, infill_ids, stop_ids_after
from kit.task import AnswerSpec, FreeText
from serving.errors import ServiceError, invalid_body
from serving.routes.chat.request import ResponseFormat, StreamOptions, answer_spec
from serving.routes.number_types import Choices, NoOrBudget, TokenId, TopLogprobs
from serving.routes.sampling_fields import SamplingFields
from serving.routes.unsupported import add_unsupported, refuse_unsupported

if TYPE_CHECKING:
    from serving.models.catalogue import Model

MOST_PROMPTS = 256
_DEFAULT_BUDGET = 256  # tokens; OpenAI's own default of 16 cuts the answers of clients that set none
_FILL_TEMPERATURE = 0.2  # clients send the same request several times to get different suggestions
_Ids = Annotated[list[TokenId], Field(min_length=1, max_length=2**20)]
_Batch = Annotated[list[str], Field(min_length=1, max_length=MOST_PROMPTS)]
_IdBatch = Annotated[list[_Ids], Field(min_length=1, max_length=MOST_PROMPTS)]


class CompletionRequest(SamplingFields):
    """A completion request in OpenAI's format. Other fields are ignored, or refused if they would change the answer."""

    model_config = ConfigDict(extra="allow", json_schema_extra=add_unsupported)

    prompt: str | _Ids | _Batch | _IdBatch
    model: str | None = None
    suffix: str | None = None
    max_tokens: NoOrBudget | None = None
    n: Choices | None = None
    best_of: Choices | None = None
    echo: StrictBool | None = None
    logprobs: TopLogprobs | None = None
    stream: StrictBool | None = None
    stream_options: StreamOptions | None = None
    response_format: ResponseFormat | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> CompletionRequest:
        if self.best_of is not None and self.best_of != (self.n or 1):
            raise PydanticCustomError("best_of", "best_of must equal n: every choice is returned")
        if self.suffix and (self.echo or not isinstance(self.prompt, str)):
            raise PydanticCustomError("suffix", "suffix needs a prompt of text, without echo")
        if self.max_tokens == 0 and not self.echo:
            raise PydanticCustomError("max_tokens", "max_tokens must be at least 1, or 0 with echo")
        if self.echo and self.stream and self.logprobs is not None:
            raise PydanticCustomError("echo", "echo with logprobs cannot be streamed")
        return self

    @property
    def wants_usage(self) -> bool:
        """Whether a stream ends with the token counts."""
        return bool(self.stream_options and self.stream_options.include_usage)

    @property
    def fills(self) -> bool:
        """Whether the answer is the middle between a prompt and a suffix."""
        return bool(self.suffix)

    def prompts(self) -> list[str | list[int]]:
        """Return each prompt, as text or as token ids."""
        if isinstance(self.prompt, str):
            return [self.prompt]
        if isinstance(self.prompt[0], int):
            return [[int(id) for id in self.prompt]]
        return list(self.prompt)

    def ids(self, renderer: Renderer) -> list[tuple[int, ...]]:
        """Return the token ids of each prompt. It may take long: call it outside the event loop.

        Raises ServiceError (400) for an id outside the vocabulary, an empty prompt, or a base that cannot infill.
        """
        if self.fills and isinstance(self.prompt, str):
            try:
                return [infill_ids(renderer, self.prompt, self.suffix or "")]
            except InputError as error:
                problem = error.problems[0]
                raise ServiceError(400, "infill_not_supported", f"{problem.what} {problem.next}", "suffix") from None
        return [_prompt_ids(renderer, prompt) for prompt in self.prompts()]

    def generation(self, model: Model, ids: tuple[int, ...]) -> Generation:
        """Return the request to the engine. Raises ServiceError (400) if the prompt leaves no room for an answer."""
        context = model.engine.capabilities.max_length
        room = context - len(ids)
        if room < 1:
            message = f"The prompt has {len(ids)} tokens; the context holds {context}, including the answer."
            raise ServiceError(400, "context_length_exceeded", message, "prompt")
        budget = min(self.max_tokens or _DEFAULT_BUDGET, room)
        return Generation(ids, self._filled(model, budget, ids), self._answer(), model.deployed.adapter)

    def _filled(self, model: Model, budget: int, ids: tuple[int, ...]) -> Sampling:
        """Return the sampling; if the prompt marks a gap, the answer also ends where another part would begin."""
        fields: dict[str, Any] = {}
        if self.fills and self.temperature is None:
            fields["temperature"] = _FILL_TEMPERATURE
        sampling = self.model_copy(update=fields).sampling(model, budget, self.logprobs)
        if self.ignore_eos:
            return sampling
        ends = {*sampling.stop_ids, *stop_ids_after(model.renderer, ids)}
        return Sampling(**{**vars(sampling), "stop_ids": tuple(sorted(ends))})

    def _answer(self) -> AnswerSpec:
        return FreeText() if self.response_format is None else answer_spec(self.response_format)


class FillRequest(CompletionRequest):
    """A request that always fills in a middle, as some editors' providers send it; the suffix may be empty."""

    prompt: str

    @property
    def fills(self) -> bool:
        """Always: the answer is the middle between a prompt and a suffix."""
        return True


def _prompt_ids(renderer: Renderer, prompt: str | list[int]) -> tuple[int, ...]:
    ids = written_ids(renderer, prompt) if isinstance(prompt, str) else tuple(prompt)
    if not ids:
        raise ServiceError(400, "invalid_value", "A prompt is empty.", "prompt")
    if (highest := max(ids)) >= renderer.vocabulary_size:
        message = f"The prompt has the token id {highest}; ids go from 0 to {renderer.vocabulary_size - 1}."
        raise ServiceError(400, "invalid_value", message, "prompt")
    return ids


def written_ids(renderer: Renderer, prompt: str) -> tuple[int, ...]:
    """Return the ids of a prompt that the client wrote, with the base's own sentinels for those of another family."""
    gap = foreign_gap(renderer, prompt)
    return renderer.trusted(prompt) if gap is None else infill_ids(renderer, gap.prefix, gap.suffix, gap.files)


def parse_completion(body: bytes, kind: type[CompletionRequest] = CompletionRequest) -> CompletionRequest:
    """Parse a completion request. Raises ServiceError if it is invalid or has an unsupported field."""
    try:
        request = kind.model_validate_json(body)
    except ValidationError as error:
        raise invalid_body(error, body) from None
    refuse_unsupported(request.model_extra or {}, kind.model_fields)
    return request
