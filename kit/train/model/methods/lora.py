"""Low-rank adapters, in peft's format."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from peft import LoraConfig, PeftConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from torch import Tensor, nn

from kit.recipe import LoraSection, TrainSection
from kit.train.model.fused_lora import FusedLinear
from kit.train.model.methods.targets import refuse_targets


def attach(model: Any, section: TrainSection, base_name: str) -> PeftModel:
    """Return the frozen model with fresh low-rank adapters in float32."""
    settings = section.lora
    refuse_targets(model, settings.targets, "train.lora.targets")
    config = _config(settings)
    if section.method == "lora":
        config._register_custom_module({nn.Linear: FusedLinear})
    adapted = get_peft_model(model, config, autocast_adapter_dtype=True)
    adapted.peft_config["default"].base_model_name_or_path = base_name
    if settings.changes_base:
        state = get_peft_model_state_dict(adapted, save_embedding_layers=False)
        adapted.kit_origin = {name: tensor.detach().cpu().clone() for name, tensor in state.items()}
    return adapted


def _config(settings: LoraSection) -> LoraConfig:
    initial = settings.initialisation
    return LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=settings.targets,
        use_rslora=settings.rslora,
        use_dora=settings.dora,
        init_lora_weights=True if initial == "default" else initial,
        task_type="CAUSAL_LM",
    )


def inert(state: Mapping[str, Tensor]) -> bool:
    """Whether all first or all second factors are zero, so that the adapter has no effect."""
    halves = [[tensor for name, tensor in state.items() if f"lora_{half}" in name] for half in "AB"]
    return not all(any(bool(tensor.any()) for tensor in half) for half in halves)


def plain_state(state: Mapping[str, Tensor], origin: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert an adapter whose initialisation subtracted s·B₀A₀ from the base's weights to one for the original base.

    It writes s·BA − s·B₀A₀ as one product of twice the rank with the same scale s: the rows of A₀ below A, and −B₀ to
    the right of B (Meng et al. 2024, for PiSSA).
    """
    joined = {}
    for name, tensor in state.items():
        first = "lora_A" in name
        joined[name] = torch.cat([tensor, origin[name] if first else -origin[name]], 0 if first else 1).contiguous()
    return joined


def plain_settings(config: PeftConfig) -> dict[str, Any]:
    """Return the settings of the configuration that belongs to the result of `plain_state`."""
    scale = config.lora_alpha / (math.sqrt(config.r) if config.use_rslora else config.r)
    return {"r": 2 * config.r, "lora_alpha": scale * 2 * config.r, "use_rslora": False, "init_lora_weights": True}
