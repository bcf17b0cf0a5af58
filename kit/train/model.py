"""Loads the base model for training."""

from __future__ import annotations

from typing import Any

import torch
from transformers import AutoModelForCausalLM
from transformers.utils import logging

from kit.base import Base
from kit.errors import InputError
from kit.recipe import FloatType

DTYPES: dict[FloatType, torch.dtype] = {"bfloat16": torch.bfloat16, "float32": torch.float32}


def load_model(
    base: Base,
    stored: FloatType,
    device: torch.device,
    compute: FloatType | None = None,
    place: torch.device | None = None,
) -> Any:
    """Return the base model on the device, its weights rounded to the stored type, held in the type to compute in.

    Without `compute`, that is the stored type. With a `place`, it is left there, and goes to the device later. Raises
    InputError where the folder does not hold a causal language model.
    """
    base.weight_files()
    logging.disable_progress_bar()
    try:
        model = AutoModelForCausalLM.from_pretrained(base.folder, dtype=DTYPES[stored], local_files_only=True)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"The base model cannot be loaded: {reason}", str(base.folder)) from error
    return model.to(place or device, DTYPES[compute or stored])
