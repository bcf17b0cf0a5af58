"""Soft prompts in peft's format; training uses the same hooks as serving, so that rows keep their length."""

from __future__ import annotations

from itertools import cycle, islice
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel, PromptTuningConfig, get_peft_model
from tokenizers import Tokenizer

from kit.adapters.hooked import SoftPrompt
from kit.errors import InputError
from kit.recipe import PromptSection, TrainSection


def attach(model: Any, section: TrainSection, base_name: str) -> PeftModel:
    """Return the frozen model with a fresh soft prompt in float32 before every row."""
    settings = section.prompt
    initial = "SAMPLE_VOCAB" if settings.initialisation == "vocabulary" else "RANDOM"
    config = PromptTuningConfig(
        num_virtual_tokens=settings.tokens, prompt_tuning_init=initial, task_type="CAUSAL_LM", num_layers=None
    )
    adapted = get_peft_model(model, config, autocast_adapter_dtype=True)
    adapted.peft_config["default"].base_model_name_or_path = base_name
    embedding = adapted.prompt_encoder["default"].embedding.float()
    if settings.initialisation == "text" and embedding.weight.device.type != "meta":
        embedding.weight.data.copy_(_text_embeddings(model, settings))
    SoftPrompt(embedding.weight).hook(model)
    return adapted


def _text_embeddings(model: Any, settings: PromptSection) -> torch.Tensor:
    """Return the embeddings of the text's tokens, cut or repeated to the length of the prompt."""
    ids = Tokenizer.from_file(str(Path(model.name_or_path) / "tokenizer.json")).encode(settings.text).ids
    if not ids:
        raise InputError("The text has no tokens.", "train.prompt.text")
    chosen = torch.tensor(list(islice(cycle(ids), settings.tokens)), device=model.device)
    found: torch.Tensor = model.get_input_embeddings()(chosen).detach().float()
    return found
