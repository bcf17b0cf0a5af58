"""Full fine-tuning: all weights are trained in float32 and stored as a whole model."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from kit.base import Base
from kit.recipe import FloatType, TrainSection
from kit.train.model.loading import load_model


class Whole(nn.Module):
    """A model that is trained whole, with the interface of peft's wrapper."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, **given: Any) -> Any:
        """Run the model."""
        return self.model(**given)

    def get_base_model(self) -> Any:
        """The model itself."""
        return self.model


def load(
    base: Base, stored: FloatType, device: torch.device, compute: FloatType, place: torch.device | None = None
) -> Any:
    """Return the base in float32, since bfloat16 is too coarse for optimiser steps.

    On a GPU with `compute` bfloat16, autocast computes matrix products in it.
    """
    del stored
    model = load_model(base, "float32", device, place=place)
    if device.type == "cuda" and compute == "bfloat16":
        for part in (model.base_model, model.get_output_embeddings()):
            part.forward = torch.autocast("cuda", dtype=torch.bfloat16)(part.forward)
    return model


def attach(model: Any, section: TrainSection, base_name: str) -> Whole:
    """Return the model with all weights trainable."""
    del section, base_name
    return Whole(model.requires_grad_(True))
