"""What every engine refuses before it works: requests that no engine could answer."""

from __future__ import annotations

from collections.abc import Container, Sequence

from kit.engines.base import Generation
from kit.errors import InputError, KitError
from kit.task import FreeText


def admit(request: Generation, max_length: int, adapters: Container[str]) -> None:
    """Raise InputError where a generation cannot be begun; KitError where its adapter is not loaded."""
    sampling = request.sampling
    if sampling.max_tokens < 1 or sampling.temperature < 0 or not 0 < sampling.top_p <= 1 or sampling.top_k < 0:
        raise InputError(f"These sampling settings are out of bounds: {sampling}.")
    if not request.ids:
        raise InputError("The prompt is empty.")
    if (length := len(request.ids)) >= max_length:
        raise InputError(f"The prompt has {length} tokens; the context of {max_length} leaves no room for an answer.")
    if not isinstance(request.answer, FreeText) and not sampling.stop_ids:
        raise InputError("An answer of a fixed shape needs a stop token, for the model to end it with.")
    admit_adapter(request.adapter, adapters)


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
