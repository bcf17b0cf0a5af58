"""The settings of a run: the shape of the model, and its training."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from kit.task import Strict


class Shape(Strict):
    """A Qwen3-shaped decoder with tied embeddings; 8.4 million parameters by default."""

    hidden: Annotated[int, Field(ge=16, multiple_of=16)] = 256
    layers: Annotated[int, Field(ge=1)] = 8
    heads: Annotated[int, Field(ge=1)] = 4
    key_value_heads: Annotated[int, Field(ge=1)] = 2
    head_size: Annotated[int, Field(ge=8)] = 64
    feed_forward: Annotated[int, Field(ge=16)] = 768
    positions: Annotated[int, Field(ge=64)] = 2048


class Settings(Strict):
    """Training settings. Rates are peaks of the schedule; shares are of the whole run.

    A step reads `step_tokens` tokens in windows of one length, sampled from `lengths` with their probabilities. After
    `warmup_steps` the rate is constant, and it falls linearly over the last share `decay` (Hu et al. 2024: "WSD").
    """

    seed: int = 0
    optimiser: Literal["muon", "adamw"] = "muon"
    learning_rate: Annotated[float, Field(gt=0)] = 3e-3
    embedding_rate: Annotated[float, Field(gt=0)] = 3e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.1
    clip: Annotated[float, Field(gt=0)] = 1.0
    warmup_steps: Annotated[int, Field(ge=1)] = 60
    decay: Annotated[float, Field(gt=0, lt=1)] = 0.5
    z_loss: Annotated[float, Field(ge=0)] = 1e-4
    step_tokens: Annotated[int, Field(ge=64)] = 8192
    lengths: tuple[tuple[int, float], ...] = ((512, 0.75), (1024, 0.15), (2048, 0.1))
