"""Low-rank adapters over a base in 4 bits (Dettmers et al. 2023): NF4 with double quantisation."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import torch
from transformers import BitsAndBytesConfig

from kit.base import Base
from kit.base.loading import load_causal
from kit.errors import InputError, MissingExtra
from kit.recipe import FloatType
from kit.train.model.loading import DTYPES


def refuse_elsewhere(device: torch.device) -> None:
    """Raise InputError without an NVIDIA GPU or without bitsandbytes."""
    if device.type != "cuda":
        what = f"method: qlora trains on an NVIDIA GPU only; this run would be on {device.type}."
        raise InputError(what, "train.method", "Use method: lora, or a machine with an NVIDIA GPU.")
    if find_spec("bitsandbytes") is None:
        raise MissingExtra("bitsandbytes", "qlora")


def load(
    base: Base, stored: FloatType, device: torch.device, compute: FloatType, place: torch.device | None = None
) -> Any:
    """Return the base on the GPU with its linear layers in 4 bits, computing in the given type."""
    del place  # quantisation runs on the GPU
    refuse_elsewhere(device)
    bits = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=DTYPES[compute],
    )
    return load_causal(base.folder, dtype=DTYPES[stored], quantization_config=bits, device_map={"": device})
