"""Checks adapters before they are published, and merges them: the merged file is compared with adapter on base."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from kit.adapters.format import ADAPTER_CONFIG, ADAPTER_WEIGHTS, HOOKED_KINDS, adapter_kind, check_adapter
from kit.base import Base
from kit.bundle.scoring import (
    MODEL_WEIGHTS,
    LogProbs,
    Rows,
    Weights,
    gap_between,
    is_whole,
    loaded_model,
    score,
    score_in_fresh_process,
    score_rows,
    without_progress_bars,
)
from kit.bundle.seal import Noise
from kit.errors import GateFailed, InputError
from kit.recipe import Section

_NO_MERGE = ("The adapter cannot be merged.", "bundle.form", "Set bundle.form: adapter.")
_TIED = ("lm_head", "embed_tokens", "wte", "embed_in", "embed_out")
# The difference between two orders of the same float32 sums.
_ARITHMETIC = Noise(mean=1e-4, largest=1e-2)


class MergeParity(Section):
    """Gaps of per-token log-probability, all in float32 arithmetic.

    `stored`: the merged model, read from disk, against the adapter on its base. `rounding`: the part that rounding to
    the stored dtype explains. `shift`: base against adapter on base.
    """

    stored: Noise
    rounding: Noise
    shift: Noise


def check_lora_adapter(base: Base, adapter: Path, rank: int) -> None:
    """Refuse a plain low-rank adapter that must not be published.

    Raises as `check_weights` does, and InputError if an engine would attach only a part of it.
    """
    if not (adapter / ADAPTER_CONFIG).is_file():
        raise InputError(f"There is no adapter here: {ADAPTER_CONFIG} is missing.", str(adapter))
    check_weights(base, adapter)
    check_adapter(adapter.name, adapter, base.folder, rank)


def check_weights(base: Base, trained: Path) -> None:
    """Refuse weights of any method that must not be published: an adapter's folder, or a whole model's.

    Raises InputError if there are no weights, or an adapter touches heads tied to embeddings; GateFailed if they
    are all zero or have values that are not numbers.
    """
    whole = is_whole(trained)
    names, broken, zero = _inspect(trained / (MODEL_WEIGHTS if whole else ADAPTER_WEIGHTS))
    if broken:
        what = f"The adapter has values that are not numbers, first in {broken[0]}."
        raise GateFailed(what, str(trained), "Train again with a lower learning rate; nothing was published.")
    changing = [{name for name in names if f".lora_{half}." in name} for half in "AB"]
    if set(names) <= zero or any(half <= zero for half in changing if half):
        raise GateFailed("The adapter is all zero: training changed nothing.", str(trained), "Nothing was published.")
    tied = not whole and _tied_heads(base)  # a model that is trained whole keeps the tie
    if tied and (touched := [name for name in names if any(part in name for part in _TIED)]):
        what = f"The adapter changes {touched[0]}, but this base ties its output head to its embeddings."
        raise InputError(
            what, str(trained), "Train without lm_head and embeddings: targets 'all-linear' leaves them out."
        )


def merge_adapter(base: Base, adapter: Path, dtype: str, rows: Rows, folder: Path) -> MergeParity:
    """Merge in float32, store in `dtype` as safetensors, read the files in a fresh process, and compare on `rows`.

    A model whose weights were all trained is stored unchanged. Raises GateFailed if the stored model is not the tuned
    one within rounding, InputError if the adapter cannot be merged.
    """
    if not is_whole(adapter) and adapter_kind(adapter) in HOOKED_KINDS:
        raise InputError(*_NO_MERGE)
    with loaded_model(Weights(base.folder, "float32", adapter)) as tuned:
        plain = _plain_scores(base, tuned, adapter, rows)
        wanted = score_rows(tuned, rows)
        merged = _merged(tuned, adapter).to(getattr(torch, dtype))
        _save(merged, folder)
        rounded = score_rows(merged.float(), rows)
        del merged
    stored = score_in_fresh_process(Weights(folder, "float32"), rows)
    parity = MergeParity(
        stored=gap_between(stored, wanted), rounding=gap_between(rounded, wanted), shift=gap_between(plain, wanted)
    )
    check_parity(parity, folder)
    return parity


def _plain_scores(base: Base, tuned: Any, adapter: Path, rows: Rows) -> LogProbs:
    if is_whole(adapter):
        return score(Weights(base.folder, "float32"), rows)
    with tuned.disable_adapter():
        return score_rows(tuned, rows)


def _merged(tuned: Any, adapter: Path) -> Any:
    if is_whole(adapter):
        return tuned
    try:
        return tuned.merge_and_unload(safe_merge=True)
    except (NotImplementedError, ValueError) as error:
        raise InputError(*_NO_MERGE) from error


def _save(model: Any, folder: Path) -> None:
    model.config._name_or_path = ""
    with without_progress_bars():
        model.save_pretrained(str(folder), max_shard_size="4GB")


def check_parity(parity: MergeParity, folder: Path) -> None:
    """Raise GateFailed if the stored model is not the tuned one, or rounding has undone the training."""
    mean, largest = parity.stored.mean, parity.stored.largest
    held = mean <= 2 * parity.rounding.mean + _ARITHMETIC.mean
    if not (held and largest <= 2 * parity.rounding.largest + _ARITHMETIC.largest):
        what = f"The merged model is not the adapter on its base: mean gap {mean:.4f}, largest {largest:.4f}; "
        raise GateFailed(f"{what}rounding explains {parity.rounding.mean:.4f}.", str(folder), "Nothing was published.")
    if not mean <= parity.shift.mean / 2:
        what = f"Rounding undoes the training: it moves log-probabilities by {mean:.4f}, training by "
        advice = "Train longer, or set base.dtype: float32 or bundle.form: adapter."
        raise GateFailed(f"{what}{parity.shift.mean:.4f}.", str(folder), advice)


def _inspect(file: Path) -> tuple[list[str], list[str], set[str]]:
    """Return all tensor names, those with values that are not finite, and those that are all zero."""
    try:
        with safe_open(file, framework="pt") as stream:
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise InputError(f"The adapter's weights cannot be read: {error}.", str(file)) from None
    broken = [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]
    return list(tensors), broken, {name for name, tensor in tensors.items() if not tensor.any()}


def _tied_heads(base: Base) -> bool:
    config = json.loads((base.folder / "config.json").read_text(encoding="utf-8"))
    return bool(config.get("tie_word_embeddings"))
