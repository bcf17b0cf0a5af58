"""Any other peft method that adapts the modules of a model, with peft's own name and arguments."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields
from typing import Any

import peft
from peft import PeftConfig, PeftModel, PromptLearningConfig, get_peft_model
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

from kit.errors import InputError, Problem, nearest
from kit.recipe import PeftSection, TrainSection

_WHERE = "train.peft.type"
_OWN = {"LORA": "lora", "PROMPT_TUNING": "prompt"}
_NOT_OURS = {
    "ADALORA": "it changes ranks between steps, which this loop does not support",
    "ADAPTION_PROMPT": "it supports few architectures, and keeps its state outside the modules",
    "SHADOW": "it replaces whole layers",
    "POLY": "it needs the number of a task with every row",
    "XLORA": "it mixes adapters that were trained before",
    "TRAINABLE_TOKENS": "it trains embeddings, which may be tied to the head",
}
_SETTLED = {"peft_type", "auto_mapping", "base_model_name_or_path", "revision", "task_type", "inference_mode",
            "peft_version", "modules_to_save"}  # fmt: skip


def attach(model: Any, section: TrainSection, base_name: str) -> PeftModel:
    """Return the frozen model with the method's fresh adapters in float32."""
    config = configure(section.peft)
    try:
        adapted = get_peft_model(model, config, autocast_adapter_dtype=True)
    except (ValueError, TypeError, NotImplementedError, AssertionError, KeyError) as error:
        raise InputError(f"{section.peft.type} cannot be attached: {error}", "train.peft.arguments") from error
    adapted.peft_config["default"].base_model_name_or_path = base_name
    return adapted


def _advice(name: str, known: Collection[str]) -> str:
    return nearest(name, known) or f"Known: {', '.join(sorted(known))}."


def configure(section: PeftSection) -> PeftConfig:
    """Return peft's configuration.

    Raises InputError for a method that peft does not have or this loop cannot train, for an argument that the method
    does not have (with a similar name, if there is one), and for a value that peft refuses (with peft's message).
    """
    kind = _config_class(section.type.upper())
    known = {field.name for field in fields(kind) if field.init} - _SETTLED
    problems = [
        Problem(f"{section.type} has no argument '{name}'.", "train.peft.arguments", _advice(name, known))
        for name in section.arguments
        if name not in known
    ]
    if problems:
        raise InputError(problems)
    # A method with several kinds of targets chooses better defaults itself.
    whole = "target_modules" in known and "feedforward_modules" not in known
    given = {"target_modules": "all-linear"} if whole else {}
    try:
        return kind(task_type="CAUSAL_LM", **{**given, **section.arguments})
    except (ValueError, TypeError) as error:
        raise InputError(f"{section.type} does not take these arguments: {error}", "train.peft.arguments") from error


def _config_class(name: str) -> Any:
    kinds = {str(kind.value): made for kind, made in PEFT_TYPE_TO_CONFIG_MAPPING.items()}
    if name in _OWN:
        raise InputError(f"{name} has a method of its own here.", _WHERE, f"Write method: {_OWN[name]}.")
    if name not in kinds:
        advice = _advice(name, kinds)
        raise InputError(f"peft {peft.__version__} has no method '{name}'.", _WHERE, advice)
    reason = _NOT_OURS.get(name, "")
    if not reason and issubclass(kinds[name], PromptLearningConfig):
        reason = "it learns prompts that no engine here can serve"
    if reason:
        raise InputError(f"{name} cannot be trained here: {reason}.", _WHERE, "Choose another method.")
    return kinds[name]
