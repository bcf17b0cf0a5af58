"""The input and the result of training. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kit.base import Base
from kit.data.mixture import Mixture
from kit.data.rows import Row
from kit.errors import Exit, KitError
from kit.recipe import FloatType, MethodName, TrainSection

Scorer = Callable[[Any], Mapping[str, float | None]]
"""Receives the model in evaluation mode and returns metrics by name; None means that one was not measured."""


@dataclass(frozen=True)
class TrainJob:
    """Everything that a training run depends on.

    `folder` belongs to the run; training writes `metrics.jsonl` and `checkpoints/` into it. `metric` names the score
    that chooses the checkpoint. `threads` None means one per physical core. `save_seconds` is the longest time between
    checkpoints. With a `mixture`, `rows` are its rows, and it decides how often each source is sampled. Elastic weight
    consolidation estimates on the `reference` rows which weights to protect. With `resume`, the run continues from its
    last checkpoint, or starts at the first step if there is none.
    """

    base: Base
    dtype: FloatType
    section: TrainSection
    rows: Sequence[Row]
    validation: Sequence[Row]
    pad_id: int
    folder: Path
    metric: str | None = None
    higher_is_better: bool = True
    resume: bool = False
    threads: int | None = None
    save_seconds: float = 300.0
    mixture: Mixture | None = None
    reference: Sequence[Row] = ()

    @property
    def method(self) -> MethodName:
        """The training method."""
        return self.section.method


@dataclass(frozen=True)
class StepEvaluation:
    """The measurements after a step. Losses are nats per supervised token; None: not measured."""

    step: int
    validation_loss: float | None
    score: float | None = None
    scores: Mapping[str, float | None] | None = None


@dataclass(frozen=True)
class Trained:
    """A finished run: the best checkpoint's adapter (a folder in peft's format) or whole model, and its measurements.

    `tokens` counts the tokens of the rows that were trained on, without padding; `seconds` is the wall time of all
    sessions of the run, without loading. `history` starts with step 0, the base model.
    """

    adapter: Path
    step: int
    score: float | None
    validation_loss: float | None
    tokens: int
    seconds: float
    history: tuple[StepEvaluation, ...]


class RunBroke(KitError):
    """Training stopped because its result would have been broken (exit 1)."""


class Stopped(KitError):
    """A signal stopped the run; its last step is saved, and it can be resumed (exit 130 or 143)."""

    def __init__(self, code: Exit, step: int) -> None:
        at = f"Stopped after step {step}, which is saved." if step else "Stopped before the first step."
        super().__init__(at, next="Continue with: kit train --resume")
        self.code = code
