"""The fields of OpenAI's requests that say how tokens are chosen; chat completions and completions share them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field, StrictBool

from kit.engines.base import Sampling
from serving.errors import ServiceError
from serving.routes.number_types import (
    Bias,
    Count,
    MinP,
    Penalty,
    RepetitionPenalty,
    Seed,
    Temperature,
    TokenId,
    TopK,
    TopP,
)

if TYPE_CHECKING:
    from serving.models.catalogue import Model

_Stop = Annotated[str, Field(min_length=1, max_length=256)]
_Stops = Annotated[list[_Stop], Field(max_length=64)]


def _as_list(stop: Any) -> Any:
    return [] if stop is None else [stop] if isinstance(stop, str) else stop


class SamplingFields(BaseModel):
    """How tokens are chosen. What a request leaves out is as in the bundle's evaluation."""

    temperature: Temperature | None = None
    top_p: TopP | None = None
    top_k: TopK | None = None
    min_p: MinP | None = None
    seed: Seed | None = None
    stop: Annotated[_Stops, BeforeValidator(_as_list, json_schema_input_type=_Stop | _Stops | None)] = []
    stop_token_ids: Annotated[list[TokenId], Field(max_length=64)] | None = None
    ignore_eos: StrictBool | None = None
    min_tokens: Count | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    repetition_penalty: RepetitionPenalty | None = None
    logit_bias: Annotated[dict[str, Bias], Field(max_length=1024)] | None = None

    def sampling(self, model: Model, budget: int, top_logprobs: int | None = None) -> Sampling:
        """Return the sampling for at most `budget` tokens.

        Raises ServiceError (400) if the engine cannot sample with a seed, or a biased token does not exist.
        """
        sealed = model.deployed.bundle.seal.sampling
        sampling = Sampling(
            max_tokens=budget,
            temperature=sealed.temperature if self.temperature is None else self.temperature,
            top_p=sealed.top_p if self.top_p is None else self.top_p,
            top_k=sealed.top_k if self.top_k is None else max(self.top_k, 0),
            seed=self.seed,
            stop=tuple(self.stop),
            stop_ids=(() if self.ignore_eos else model.renderer.stop_ids) + tuple(self.stop_token_ids or ()),
            min_p=self.min_p or 0.0,
            min_tokens=min(self.min_tokens or 0, budget),
            presence_penalty=self.presence_penalty or 0.0,
            frequency_penalty=self.frequency_penalty or 0.0,
            repetition_penalty=1.0 if self.repetition_penalty is None else self.repetition_penalty,
            logit_bias=self._biases(model.renderer.vocabulary_size),
            top_logprobs=top_logprobs,
        )
        if sampling.seed is not None and sampling.temperature > 0 and not model.engine.capabilities.seeds:
            message = "This engine cannot sample with a seed; remove 'seed' or set temperature to 0."
            raise ServiceError(400, "unsupported_parameter", message, "seed")
        return sampling

    def _biases(self, vocabulary: int) -> tuple[tuple[int, float], ...]:
        biases = []
        for name, bias in (self.logit_bias or {}).items():
            if not (name.isascii() and name.isdecimal() and int(name) < vocabulary):
                message = f"logit_bias names the token '{name}'; token ids go from 0 to {vocabulary - 1}."
                raise ServiceError(400, "invalid_value", message, "logit_bias")
            biases.append((int(name), float(bias)))
        return tuple(biases)
