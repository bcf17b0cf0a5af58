"""Loads the base model for training."""

from __future__ import annotations

from typing import Any

import torch

from kit.base import Base
from kit.base.loading import load_causal
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
    InputError where the folder does not hold a causal language model, whole and sound.
    """
    return load_causal(base.folder, dtype=DTYPES[stored]).to(place or device, DTYPES[compute or stored])
