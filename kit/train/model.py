"""Loads the base model for training."""

from __future__ import annotations

from typing import Any, Literal

import torch
from transformers import AutoModelForCausalLM
from transformers.utils import logging

from kit.base import Base
from kit.errors import InputError

DTYPES: dict[Literal["bfloat16", "float32"], torch.dtype] = {"bfloat16": torch.bfloat16, "float32": torch.float32}


def load_model(base: Base, dtype: Literal["bfloat16", "float32"], device: torch.device) -> Any:
    """Return the base model on the device, its weights stored in the given type.

    Raises InputError where the folder does not hold a causal language model.
    """
    base.weight_files()
    logging.disable_progress_bar()
    try:
        model = AutoModelForCausalLM.from_pretrained(base.folder, dtype=DTYPES[dtype], local_files_only=True)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"The base model cannot be loaded: {reason}", str(base.folder)) from error
    return model.to(device)
