"""Attaches a saved adapter of any method to a model: all of it, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from peft import PeftModel, get_peft_model_state_dict

from kit.adapters.format import ADAPTER_WEIGHTS, HOOKED_KINDS, adapter_kind
from kit.adapters.hooked import HookedModel, read_hooked
from kit.base.headers import shapes_in
from kit.errors import InputError


def attach_saved(model: Any, folder: Path) -> Any:
    """Return the model with a saved adapter attached, in the weights' own dtype.

    Raises InputError if the adapter belongs to another model, or only a part of it would be attached.
    """
    if adapter_kind(folder) in HOOKED_KINDS:
        return HookedModel(model, read_hooked(folder, model))
    # Engines load an adapter in the dtype of the weights, so measure in that dtype.
    adapted = PeftModel.from_pretrained(model, str(folder), autocast_adapter_dtype=False)
    refuse_part(adapted, "default", folder)
    return adapted


def refuse_part(model: PeftModel, name: str, folder: Path) -> None:
    """Raise InputError if the model and the folder have different tensors of an adapter: peft only warns."""
    held = set(get_peft_model_state_dict(model, adapter_name=name, save_embedding_layers=False))
    saved = set(shapes_in(folder / ADAPTER_WEIGHTS))
    if odd := sorted(held ^ saved):
        what = f"{len(odd)} of the adapter's tensors do not belong to this model or are missing, such as '{odd[0]}'."
        raise InputError(what, str(folder), "It was trained on another model, or by another version of peft.")
