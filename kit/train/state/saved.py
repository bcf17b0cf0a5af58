"""Save and restore what a method trained: names, tensors and configuration, for each kind of adapted model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from peft import PeftModel, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import load_file, save_file
from torch import Tensor

from kit.adapters.format import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from kit.adapters.hooked import HookedModel, rename_state
from kit.bundle.manifest import canonical_json
from kit.bundle.scoring import MODEL_WEIGHTS, is_whole
from kit.train.distributed.sharded import whole
from kit.train.model.methods.full import Whole
from kit.train.model.methods.lora import plain_settings, plain_state

StateDict = dict[str, Tensor]


def weights_file(folder: Path) -> Path:
    """Return the file with the trained weights: of an adapter, or of a whole model."""
    return folder / (MODEL_WEIGHTS if is_whole(folder) else ADAPTER_WEIGHTS)


def trained_state(model: Any) -> StateDict:
    """Return the trained tensors on the CPU: of an adapter, under the names of its format, or of the whole model."""
    if isinstance(model, Whole):
        state: Mapping[str, Tensor] = dict(model.model.named_parameters())
    elif isinstance(model, HookedModel):
        state = rename_state(model.adapter.state_dict(), ".")
    else:
        shared = get_peft_model_state_dict(model, save_embedding_layers=False)
        state = {name: tensor.detach().clone() for name, tensor in shared.items()}  # some methods share projections
    return {name: whole(tensor.detach()).cpu().contiguous() for name, tensor in state.items()}


def restore_trained(model: Any, folder: Path, raw: Mapping[str, Tensor]) -> None:
    """Restore the tensors of a checkpoint. `raw` are the tensors before a conversion, if the adapter was converted."""
    state = dict(raw) or load_file(weights_file(folder))
    if isinstance(model, Whole):
        own = dict(model.model.named_parameters())
        for name, tensor in state.items():
            own[name].data.copy_(tensor)
    elif isinstance(model, HookedModel):
        model.adapter.load_state_dict(rename_state(state, "/"))
    else:
        set_peft_model_state_dict(model, state)


def raw_state(model: Any, state: StateDict) -> StateDict:
    """Return the tensors before the conversion if the saved adapter is a converted one; otherwise nothing."""
    return state if hasattr(model, "kit_origin") else {}


def write_trained(model: Any, state: StateDict, folder: Path) -> None:
    """Write an adapter that attaches to the unchanged base, or a whole model that needs no base.

    `state` is the model's `trained_state`.
    """
    folder.mkdir(parents=True)
    origin = getattr(model, "kit_origin", None)
    if isinstance(model, Whole):
        save_file(state, folder / MODEL_WEIGHTS, metadata={"format": "pt"})
        model.model.config.save_pretrained(str(folder))
        return
    state = plain_state(state, origin) if origin else state
    save_file(state, folder / ADAPTER_WEIGHTS, metadata={"format": "pt"})
    if isinstance(model, HookedModel):
        (folder / ADAPTER_CONFIG).write_bytes(canonical_json(model.adapter.settings))
    else:
        _write_config(model, folder, converted=bool(origin))


def _write_config(model: PeftModel, folder: Path, converted: bool) -> None:
    config = model.peft_config["default"]
    changes = {"inference_mode": True, **(plain_settings(config) if converted else {})}
    before = {name: getattr(config, name) for name in changes}
    _set(config, changes)
    try:
        config.save_pretrained(str(folder))
    finally:
        _set(config, before)


def _set(config: Any, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        setattr(config, name, value)
