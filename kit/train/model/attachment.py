"""Preview what a method would adapt and train on a base, from the base's configuration.

The architecture is built on torch's meta device, which takes seconds and needs neither memory nor weights.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from peft import PeftModel
from transformers import AutoConfig, AutoModelForCausalLM

from kit.errors import InputError
from kit.recipe import TrainSection
from kit.train.model.methods import attach

_SHORT = 16


@dataclass(frozen=True)
class Attachment:
    """`targets` counts adapted modules by their last name; `mergeable`: whether the adapter merges into the base.

    A model that is trained whole has no targets and counts as mergeable.
    """

    targets: Mapping[str, int]
    trainable: int
    parameters: int
    mergeable: bool

    @property
    def sentence(self) -> str:
        """The preview as a sentence."""
        listed = ", ".join(f"{name} {count}" for name, count in sorted(self.targets.items()))
        where = f"{sum(self.targets.values())} modules ({listed})" if self.targets else "no single modules"
        share = self.trainable / self.parameters
        merges = "it merges" if self.mergeable else "it does not merge"
        return f"{self.trainable:,} trainable parameters ({share:.2%} of the base's) on {where}; {merges}."


def preview(folder: Path, section: TrainSection) -> Attachment:
    """Attach the method to the architecture that a folder's `config.json` describes.

    Raises InputError if the architecture is unknown, a target matches nothing, or the method does not fit.
    """
    config = _config(folder)
    shape = _shape(section)
    try:
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config)
            parameters = _count(model, trained=False)
            targets, trainable = _attached(model, shape)
    except (NotImplementedError, RuntimeError, InputError):
        if section.method != "peft":
            raise
        targets, trainable = _extrapolated(config, shape)  # the method reads weights while it is attached
    if not trainable:
        raise InputError("The method would train nothing on this base.", "train.method")
    return Attachment(dict(targets), trainable, parameters, _merges(config, section))


def _shape(section: TrainSection) -> TrainSection:
    """Replace an initialisation that reads weights by the default one; the shapes are the same."""
    if not section.lora.changes_base:
        return section
    plain = section.lora.model_copy(update={"initialisation": "default"})
    return section.model_copy(update={"lora": plain})


def _attached(model: Any, section: TrainSection) -> tuple[Counter[str], int]:
    """Attach, and return the adapted modules by last name, and the number of trainable parameters."""
    before = {name for name, _ in model.named_modules() if name}
    adapted = attach(model, section, "base")
    found = [
        name
        for name, module in adapted.get_base_model().named_modules()
        if name in before and (hasattr(module, "base_layer") or module._forward_hooks)
    ]
    last = Counter(name.rpartition(".")[2] for name in found if section.method != "prompt")
    return last, _count(adapted, trained=True)


def _count(model: Any, trained: bool) -> int:
    return sum(value.numel() for value in model.parameters() if value.requires_grad or not trained)


def _extrapolated(config: Any, section: TrainSection) -> tuple[Counter[str], int]:
    """Attach to real models of one and of two layers; all further layers are like the second."""
    (_, first), (targets, second) = (_attached(_small(config, layers), section) for layers in (1, 2))
    layers = config.num_hidden_layers
    counted = Counter({name: count * layers // 2 for name, count in targets.items()})
    return counted, first + (layers - 1) * (second - first)


def _config(folder: Path) -> Any:
    try:
        return AutoConfig.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, StrictDataclassError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"The base's configuration cannot be used: {reason}", str(folder)) from error


def _merges(config: Any, section: TrainSection) -> bool:
    """Whether the method merges; for `peft`, merge into one layer of the real widths, and compare."""
    if section.method != "peft":
        return section.method in ("lora", "qlora", "full")
    adapted = attach(_small(config, layers=1), section, "base").eval()
    return isinstance(adapted, PeftModel) and merges_exactly(adapted)


@torch.no_grad()
def merges_exactly(adapted: PeftModel) -> bool:
    """Change an adapter's weights, merge it, and compare logits before and after."""
    draw = torch.Generator().manual_seed(0)
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            noise = torch.randn(parameter.shape, generator=draw, dtype=torch.float32)
            parameter.add_(0.01 * noise.to(parameter.device, parameter.dtype))
    ids = torch.arange(1, _SHORT)[None]
    wanted = adapted(input_ids=ids).logits
    try:
        merged = adapted.merge_and_unload(safe_merge=True)(input_ids=ids).logits
    except (ValueError, NotImplementedError, AttributeError, TypeError, RuntimeError):
        return False
    return bool(torch.allclose(wanted, merged, rtol=1e-3, atol=1e-3 * float(wanted.abs().max())))


def _small(config: Any, layers: int) -> Any:
    """Return a real model with the base's widths, fewer layers, a small vocabulary and random weights."""
    small = copy.deepcopy(config)
    small.num_hidden_layers, small.vocab_size = layers, 2 * _SHORT
    if getattr(small, "layer_types", None):
        small.layer_types = small.layer_types[:layers]
    for name in ("pad_token_id", "bos_token_id", "eos_token_id"):
        setattr(small, name, None)
    return AutoModelForCausalLM.from_config(small, dtype=torch.float32)
