"""Bottleneck adapter layers (Houlsby et al. 2019), which peft does not have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from kit.adapters.format import BOTTLENECK
from kit.adapters.hooked import Bottleneck, HookedModel
from kit.recipe import TrainSection
from kit.train.model.methods.targets import refuse_targets


def attach(model: Any, section: TrainSection, base_name: str) -> HookedModel:
    """Return the frozen model with fresh adapter layers in float32 behind each target."""
    settings = section.bottleneck
    refuse_targets(model, settings.targets, "train.bottleneck.targets")
    model.requires_grad_(False)
    facts = {"peft_type": BOTTLENECK, "base_model_name_or_path": base_name, **settings.model_dump()}
    return HookedModel(model, Bottleneck(model, facts).float().to(model.device))


def inert(state: Mapping[str, Tensor]) -> bool:
    """Whether every second layer is zero, so that the adapter has no effect."""
    return not any(bool(tensor.any()) for name, tensor in state.items() if ".up." in name)
