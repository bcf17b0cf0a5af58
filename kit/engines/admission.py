"""Checks that every engine makes first: the model's folder, and each request."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import replace

from kit.base.configuration import read_config
from kit.base.families import number
from kit.base.soundness import refuse_unsound
from kit.engines.base import MOST_TOP_LOGPROBS, EngineConfig, Generation, Sampling
from kit.errors import InputError, KitError
from kit.task import FreeText

_LEAST_TEMPERATURE = 1e-5  # vLLM treats a smaller one as 0
_LEAST_TOP_P = 1e-6
_MOST_PENALTY = 2.0
_MOST_TEMPERATURE = 2.0  # vLLM refuses more, and an answer should not depend on the engine


def check_model(config: EngineConfig) -> None:
    """Raise InputError if an engine cannot start on a folder: it is unsound, or its context is too short."""
    needed = [name for name in ("config.json", "tokenizer.json") if not (config.model / name).is_file()]
    if needed:
        raise InputError(f"There is no model here: {' and '.join(needed)} missing.", str(config.model))
    longest = number(read_config(config.model), "max_position_embeddings")
    if longest is not None and config.max_length > longest:
        what = f"A context of {config.max_length} tokens is more than the {longest} that the model was made for."
        raise InputError(what, str(config.model), "Lower serve.max_length.")
    refuse_unsound(config.model)


def admit(request: Generation, max_length: int, adapters: Container[str]) -> Generation:
    """Return the request; its budget is cut to the room in the context.

    Raises InputError if it cannot be served, KitError if its adapter is not loaded.
    """
    sampling = request.sampling
    if not _within_bounds(sampling):
        raise InputError(f"These sampling settings are out of bounds: {sampling}.")
    if not request.ids:
        raise InputError("The prompt is empty.")
    if (length := len(request.ids)) >= max_length:
        raise InputError(f"The prompt has {length} tokens; the context of {max_length} leaves no room for an answer.")
    if not isinstance(request.answer, FreeText) and not sampling.stop_ids:
        raise InputError("An answer of a fixed format needs a stop token that ends it.")
    admit_adapter(request.adapter, adapters)
    return replace(
        request, sampling=replace(_computable(sampling), max_tokens=min(sampling.max_tokens, max_length - length))
    )


def _within_bounds(sampling: Sampling) -> bool:
    penalties = (sampling.presence_penalty, sampling.frequency_penalty)
    return (
        0 <= sampling.temperature <= _MOST_TEMPERATURE
        and 0 < sampling.top_p <= 1
        and sampling.top_k >= 0
        and sampling.max_tokens >= 1
        and 0 <= sampling.min_p <= 1
        and all(-_MOST_PENALTY <= penalty <= _MOST_PENALTY for penalty in penalties)
        and 0 < sampling.repetition_penalty <= _MOST_PENALTY
        and 0 <= (sampling.top_logprobs or 0) <= MOST_TOP_LOGPROBS
    )


def _computable(sampling: Sampling) -> Sampling:
    """Return equal settings that single precision can compute.

    A temperature near 0 becomes 0, and a `top_p` below every token's probability keeps the likeliest token.
    """
    temperature = 0.0 if sampling.temperature < _LEAST_TEMPERATURE else sampling.temperature
    return replace(sampling, temperature=temperature, top_p=max(sampling.top_p, _LEAST_TOP_P))


def admit_score(ids: Sequence[int], max_length: int, adapter: str | None, adapters: Container[str]) -> None:
    """Raise InputError if a sequence cannot be scored, KitError if the adapter is not loaded."""
    if not ids:
        raise InputError("There is nothing to score.")
    if len(ids) > max_length:
        raise InputError(f"The sequence has {len(ids)} tokens; the context holds {max_length}.")
    admit_adapter(adapter, adapters)


def admit_adapter(adapter: str | None, adapters: Container[str]) -> None:
    """Raise KitError if the requested adapter is not loaded."""
    if adapter is not None and adapter not in adapters:
        raise KitError(f"No adapter '{adapter}' is loaded.")
