"""What every engine refuses before it works: folders that hold no model, and requests that it could not answer."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import replace

from kit.base.configuration import read_config
from kit.base.families import number
from kit.base.soundness import refuse_unsound
from kit.engines.base import EngineConfig, Generation, Sampling
from kit.errors import InputError, KitError
from kit.task import FreeText

_COLDEST = 1e-5  # vLLM takes less as none
_NARROWEST = 1e-6
_HOTTEST = 2.0  # vLLM refuses more, and an answer should not depend on the engine


def check_model(config: EngineConfig) -> None:
    """Raise InputError where a folder cannot be what an engine starts on: unsound, or of too short a context."""
    needed = [name for name in ("config.json", "tokenizer.json") if not (config.model / name).is_file()]
    if needed:
        raise InputError(f"There is no model here: {' and '.join(needed)} missing.", str(config.model))
    longest = number(read_config(config.model), "max_position_embeddings")
    if longest is not None and config.max_length > longest:
        what = f"A context of {config.max_length} tokens is more than the {longest} that the model was made for."
        raise InputError(what, str(config.model), "Lower serve.max_length.")
    refuse_unsound(config.model)


def admit(request: Generation, max_length: int, adapters: Container[str]) -> Generation:
    """Return the request with its budget cut to what the context leaves.

    Raises InputError where it cannot be begun, KitError where its adapter is not loaded.
    """
    sampling = request.sampling
    within = 0 <= sampling.temperature <= _HOTTEST and 0 < sampling.top_p <= 1 and sampling.top_k >= 0
    if not within or sampling.max_tokens < 1:
        raise InputError(f"These sampling settings are out of bounds: {sampling}.")
    if not request.ids:
        raise InputError("The prompt is empty.")
    if (length := len(request.ids)) >= max_length:
        raise InputError(f"The prompt has {length} tokens; the context of {max_length} leaves no room for an answer.")
    if not isinstance(request.answer, FreeText) and not sampling.stop_ids:
        raise InputError("An answer of a fixed shape needs a stop token, for the model to end it with.")
    admit_adapter(request.adapter, adapters)
    return replace(
        request, sampling=replace(_computable(sampling), max_tokens=min(sampling.max_tokens, max_length - length))
    )


def _computable(sampling: Sampling) -> Sampling:
    """Return settings that mean the same and that single precision can compute with.

    Almost no temperature is none, and a share that holds no token's probability holds the likeliest token.
    """
    temperature = 0.0 if sampling.temperature < _COLDEST else sampling.temperature
    return replace(sampling, temperature=temperature, top_p=max(sampling.top_p, _NARROWEST))


def admit_score(ids: Sequence[int], max_length: int, adapter: str | None, adapters: Container[str]) -> None:
    """Raise InputError where a sequence cannot be scored; KitError where the adapter is not loaded."""
    if not ids:
        raise InputError("There is nothing to score.")
    if len(ids) > max_length:
        raise InputError(f"The sequence has {len(ids)} tokens; the context holds {max_length}.")
    admit_adapter(adapter, adapters)


def admit_adapter(adapter: str | None, adapters: Container[str]) -> None:
    """Raise KitError where an adapter is asked for that is not loaded."""
    if adapter is not None and adapter not in adapters:
        raise KitError(f"No adapter '{adapter}' is loaded.")
