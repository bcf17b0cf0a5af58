"""Requests in llama.cpp's dialect: their fields, and how they become requests to the engine.

Unknown fields are ignored, as llama.cpp ignores them. The fields are those of its server's documentation.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, ValidationError

from kit.chat import Renderer
from kit.engines.base import Generation, Sampling
from kit.errors import InputError
from kit.infill import infill_ids, stop_ids_after
from kit.task import AnswerSpec, ClientGrammar, File, FreeText
from serving.errors import ServiceError, invalid_body
from serving.limits.json_schema import client_schema
from serving.routes.completions.request import written_ids
from serving.routes.number_types import Bias, Choices, Count, MinP, Penalty, Seed, TokenId, WideTemperature

if TYPE_CHECKING:
    from serving.models.catalogue import Model

_LONGEST_GRAMMAR = 32_768
_DEFAULT_BUDGET = 256
_Stop = Annotated[str, Field(max_length=256)]
_Unlimited = Annotated[int, Field(ge=-2, le=2**31 - 1)]


def _known_stops(stop: Any) -> Any:
    stops = [] if stop is None else [stop] if isinstance(stop, str) else stop
    return [each for each in stops if each != ""] if isinstance(stops, list) else stops


class NativeSampling(BaseModel):
    """How tokens are chosen, by llama.cpp's names. What a request leaves out is as in the bundle's evaluation."""

    model_config = ConfigDict(extra="ignore")

    model: str | None = None
    n_predict: _Unlimited | None = None
    temperature: WideTemperature | None = None
    top_k: Annotated[int, Field(ge=-1, le=2**31 - 1)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    min_p: MinP | None = None
    seed: Seed | None = None
    stop: Annotated[
        Annotated[list[_Stop], Field(max_length=64)],
        BeforeValidator(_known_stops, json_schema_input_type=_Stop | list[_Stop] | None),
    ] = []
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    repeat_penalty: Annotated[float, Field(gt=0, le=2)] | None = None
    logit_bias: list[tuple[TokenId | str, Bias | bool]] | dict[str, Bias] | None = None
    ignore_eos: StrictBool | None = None
    json_schema: dict[str, Any] | None = None
    grammar: Annotated[str, Field(max_length=_LONGEST_GRAMMAR)] | None = None
    stream: StrictBool | None = None
    n_cmpl: Choices | None = None
    t_max_predict_ms: Count | None = None
    response_fields: Annotated[list[str], Field(max_length=64)] | None = None
    return_tokens: StrictBool | None = None
    timings_per_token: StrictBool | None = None

    @property
    def warms_up(self) -> bool:
        """Whether nothing is to be generated: editors send such a request to fill a cache."""
        return self.n_predict == 0

    def generation(self, model: Model, ids: tuple[int, ...]) -> Generation:
        """Return the request to the engine.

        Raises ServiceError (400) if the prompt leaves no room for an answer, or a field is not supported.
        """
        context = model.engine.capabilities.max_length
        room = context - len(ids)
        if room < 1:
            message = f"The prompt has {len(ids)} tokens; the context holds {context}, including the answer."
            raise ServiceError(400, "context_length_exceeded", message, "prompt")
        wanted = self.n_predict if self.n_predict is not None and self.n_predict > 0 else None
        budget = min(wanted or (room if self.n_predict in (-1, -2) else _DEFAULT_BUDGET), room)
        return Generation(ids, self._sampling(model, budget, ids), self._answer(), model.deployed.adapter)

    def _sampling(self, model: Model, budget: int, ids: tuple[int, ...]) -> Sampling:
        sealed = model.deployed.bundle.seal.sampling
        temperature = sealed.temperature if self.temperature is None else min(self.temperature, 2.0)
        seed = self.seed if self.seed is not None and self.seed >= 0 else None  # -1 means: any
        if seed is not None and temperature > 0 and not model.engine.capabilities.seeds:
            seed = None  # clients of this dialect send a seed with every request
        return Sampling(
            max_tokens=budget,
            temperature=temperature,
            top_p=sealed.top_p if self.top_p is None else max(self.top_p, 1e-6),
            top_k=sealed.top_k if self.top_k is None else max(self.top_k, 0),
            min_p=self.min_p or 0.0,
            seed=seed,
            stop=tuple(self.stop),
            stop_ids=() if self.ignore_eos else stop_ids_after(model.renderer, ids),
            presence_penalty=self.presence_penalty or 0.0,
            frequency_penalty=self.frequency_penalty or 0.0,
            repetition_penalty=1.0 if self.repeat_penalty is None else self.repeat_penalty,
            logit_bias=tuple(self._biases(model.renderer.vocabulary_size)),
        )

    def _biases(self, vocabulary: int) -> list[tuple[int, float]]:
        """Return the biases of tokens by id; false forbids a token. A bias on text is refused."""
        pairs = self.logit_bias.items() if isinstance(self.logit_bias, dict) else self.logit_bias or ()
        found = []
        for token, bias in pairs:
            number = int(token) if str(token).isascii() and str(token).isdecimal() else vocabulary
            if number >= vocabulary:
                message = f"logit_bias names the token '{token}'; token ids go from 0 to {vocabulary - 1}."
                raise ServiceError(400, "invalid_value", message, "logit_bias")
            found.append((number, -100.0 if bias is False else float(bias)))
        return found

    def _answer(self) -> AnswerSpec:
        """Return what may be written. A grammar that is JSON text is a schema: some clients have one field for both."""
        if self.json_schema:
            return client_schema(self.json_schema, "json_schema")
        if not self.grammar:
            return FreeText()
        try:
            schema = json.loads(self.grammar)
        except (ValueError, RecursionError):
            return ClientGrammar(self.grammar)
        if isinstance(schema, dict):
            return client_schema(schema, "grammar")
        raise ServiceError(400, "invalid_value", "The grammar is neither GBNF nor a JSON schema.", "grammar")


class NativeCompletion(NativeSampling):
    """A request to /completion: the prompt as text, token ids, or a list that mixes both."""

    prompt: str | Annotated[list[str | TokenId], Field(max_length=2**20)] = ""

    def ids(self, renderer: Renderer) -> tuple[int, ...]:
        """Return the token ids of the prompt; the names of special tokens in its text stand for these tokens."""
        pieces = [self.prompt] if isinstance(self.prompt, str) else self.prompt
        ids = [id for piece in pieces for id in (written_ids(renderer, piece) if isinstance(piece, str) else (piece,))]
        if max(ids, default=0) >= renderer.vocabulary_size:
            message = f"The prompt has the token id {max(ids)}; ids go from 0 to {renderer.vocabulary_size - 1}."
            raise ServiceError(400, "invalid_value", message, "prompt")
        return tuple(ids)


class ExtraFile(BaseModel):
    """Another file for context; the time that editors send with it is not used."""

    text: str = ""
    filename: str | None = None
    time: Any = None


class Infill(NativeSampling):
    """A request to /infill: the text before and after the gap."""

    input_prefix: str = ""
    input_suffix: str = ""
    input_extra: Annotated[list[ExtraFile], Field(max_length=1024)] | None = None
    prompt: str = ""

    def ids(self, renderer: Renderer) -> tuple[int, ...]:
        """Return the token ids of the prompt. Raises ServiceError (501) if the base has no sentinels."""
        files = [File(each.filename or "tmp", each.text) for each in self.input_extra or ()]
        try:
            return infill_ids(renderer, self.input_prefix, self.input_suffix, files, self.prompt)
        except InputError as error:
            problem = error.problems[0]
            raise ServiceError(501, "infill_not_supported", f"{problem.what} {problem.next}") from None


Native = NativeCompletion | Infill


def parse_native(body: bytes, kind: type[Native]) -> Native:
    """Parse a request. Raises ServiceError if it is invalid."""
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise invalid_body(error, body) from None
