"""The ways to adapt a model: one table from a method's name to what it attaches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from peft import LoraConfig, PeftConfig, PeftModel, get_peft_model
from torch import Tensor, nn

from kit.errors import InputError, Problem, nearest
from kit.recipe import LoraSection, TrainSection
from kit.train.job import MethodName
from kit.train.lora import FusedLinear

StateDict = dict[str, Tensor]


@dataclass(frozen=True)
class Method:
    """How a method is configured in peft, and how to tell that an adapter would change nothing."""

    configure: Callable[[nn.Module, TrainSection], PeftConfig]
    inert: Callable[[StateDict], bool]


def attach(model: Any, section: TrainSection, base_name: str, method: MethodName = "lora") -> PeftModel:
    """Return the frozen model with new adapters in float32, initialised from the recipe's seed.

    `base_name` is what the adapter's configuration calls its base. Raises InputError for targets that match no module,
    or that share their weights with the embeddings.
    """
    config = METHODS[method].configure(model, section)
    torch.manual_seed(section.seed)
    adapted = get_peft_model(model, config, autocast_adapter_dtype=True)
    adapted.peft_config["default"].base_model_name_or_path = base_name
    return adapted


def _lora(model: nn.Module, section: TrainSection) -> PeftConfig:
    lora = section.lora
    _refuse_targets(model, lora)
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.targets,
        task_type="CAUSAL_LM",
    )
    config._register_custom_module({nn.Linear: FusedLinear})
    return config


def _refuse_targets(model: nn.Module, lora: LoraSection) -> None:
    """peft skips a name that matches nothing as long as another one does; here every name must match."""
    if lora.targets == "all-linear":
        return
    names = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    last = sorted({name.rsplit(".", 1)[-1] for name in names} - {"lm_head"})
    wanted = [lora.targets] if isinstance(lora.targets, str) else lora.targets
    problems = [
        Problem(f"No linear module of the model is called '{target}'.", "train.lora.targets", _advice(target, last))
        for target in wanted
        if target.rsplit(".", 1)[-1] == "lm_head" or not any(f".{name}".endswith(f".{target}") for name in names)
    ]
    if problems:
        raise InputError(problems)


def _advice(target: str, known: list[str]) -> str:
    if target.rsplit(".", 1)[-1] == "lm_head":
        return "The output head is not adapted: it may share its weights with the embeddings."
    return nearest(target, known) or f"Known: {', '.join(known)}; or 'all-linear'."


def _lora_inert(state: StateDict) -> bool:
    """Whether every second factor is zero, so that all products are."""
    return not any(bool(tensor.any()) for name, tensor in state.items() if "lora_B" in name)


METHODS: dict[MethodName, Method] = {"lora": Method(_lora, _lora_inert)}
