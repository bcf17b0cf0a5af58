"""The training methods: a table from a method's name in the recipe to its code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kit.base import Base
from kit.recipe import FloatType, MethodName, TrainSection
from kit.train.model.loading import load_model
from kit.train.model.methods import bottleneck, full, lora, peft_any, prompt, qlora

Attach = Callable[[Any, TrainSection, str], Any]
Load = Callable[[Base, FloatType, torch.device, FloatType, torch.device | None], Any]


@dataclass(frozen=True)
class Method:
    """How a method loads the base, and how it attaches its trainable parameters.

    `inert`: whether a saved adapter certainly has no effect.
    """

    attach: Attach
    load: Load = load_model
    inert: Callable[[Mapping[str, Tensor]], bool] = lambda state: not any(bool(value.any()) for value in state.values())


METHODS: Mapping[MethodName, Method] = {
    "lora": Method(lora.attach, inert=lora.inert),
    "qlora": Method(lora.attach, qlora.load, lora.inert),
    "full": Method(full.attach, full.load),
    "prompt": Method(prompt.attach),
    "bottleneck": Method(bottleneck.attach, inert=bottleneck.inert),
    "peft": Method(peft_any.attach),
}


def load_base(
    base: Base,
    stored: FloatType,
    section: TrainSection,
    device: torch.device,
    compute: FloatType | None = None,
    place: torch.device | None = None,
) -> Any:
    """Return the base for a method on a device, in the type to compute in, by default the stored one.

    With a `place`, it stays there and is moved to the device later. Raises InputError if it cannot be loaded.
    """
    return METHODS[section.method].load(base, stored, device, compute or stored, place)


def attach(model: Any, section: TrainSection, base_name: str, method: MethodName | None = None) -> Any:
    """Attach a method: its parameters are in float32 and initialised from the seed, everything else is frozen.

    `base_name` is the name of the base in a saved adapter. Raises InputError for targets that match no module or that
    share their weights with the embeddings, and for arguments that the method does not have.
    """
    torch.manual_seed(section.seed)
    return METHODS[method or section.method].attach(model, section, base_name)
