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

    Without `compute`, that is the stored type. With a `place`, the model stays there and is moved to the device later.
    Raises InputError if the folder does not contain a complete and valid causal language model.
    """
    return load_causal(base.folder, dtype=DTYPES[stored]).to(place or device, DTYPES[compute or stored])
