"""Evaluate the model between two steps without changing the run, and choose the checkpoint to publish."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file

from kit.train.distributed.sharded import whole
from kit.train.job import RunBroke, Scorer, StepEvaluation, TrainJob
from kit.train.model.methods import METHODS
from kit.train.state.checkpoint import random_state, set_random_state
from kit.train.state.saved import weights_file
from kit.train.step.optimiser import Optimiser

_SAMPLED = 64
_NOTHING = "Nothing was published."


def measure(job: TrainJob, optimiser: Optimiser, scorer: Scorer | None, step: int, threads: int) -> StepEvaluation:
    """Return the validation loss and the scores of the model after a step.

    Random states, threads and training mode are restored. Raises RunBroke if the validation loss is not finite.
    """
    model, before = optimiser.body.model, random_state()
    model.eval()
    try:
        loss = optimiser.validation_loss(job.validation)
        with torch.no_grad():
            scores = dict(scorer(model)) if scorer else {}
    finally:
        model.train()
        set_random_state(before)
        torch.set_num_threads(threads)
    if loss is not None and not math.isfinite(loss):
        raise RunBroke(f"The validation loss after step {step} is {loss}.", next=_NOTHING)
    score = scores.get(job.metric) if job.metric else None
    return StepEvaluation(step, loss, score if score is not None and math.isfinite(score) else None, scores)


def best_of(history: Sequence[StepEvaluation], higher_is_better: bool = True) -> StepEvaluation | None:
    """Return the evaluation to publish: the one with the best score, or without scores the lowest validation loss.

    For equal scores the validation loss decides; without any measurement, the last evaluation is chosen. The base model
    (step 0) is never chosen. None if no trained model was evaluated.
    """
    trained = [evaluation for evaluation in history if evaluation.step > 0]
    scored = [evaluation for evaluation in trained if evaluation.score is not None]

    def merit(evaluation: StepEvaluation) -> tuple[float, float, int]:
        score = evaluation.score or 0.0
        loss = evaluation.validation_loss
        return (score if higher_is_better else -score, float("-inf") if loss is None else -loss, evaluation.step)

    return max(scored or trained, key=merit, default=None)


def sample(trained: Iterable[torch.Tensor]) -> list[torch.Tensor]:
    """Return some values of every trained tensor, to check later whether training changed it."""
    flat = (whole(parameter.detach()).flatten() for parameter in trained)
    return [values[:: max(1, len(values) // _SAMPLED)].cpu().clone() for values in flat]


def has_changed(trained: Iterable[torch.Tensor], before: Sequence[torch.Tensor]) -> bool:
    """Whether training changed any of the sampled values."""
    return any(not torch.equal(now, then) for now, then in zip(sample(trained), before, strict=True))


def refuse_broken(job: TrainJob, adapter: Path, changed: bool) -> None:
    """Raise RunBroke if the trained weights have no effect, did not change, or are not finite."""
    state = load_file(weights_file(adapter))
    advice = f"{_NOTHING} Raise train.learning_rate, or look at the rows."
    if METHODS[job.method].inert(state):
        raise RunBroke("The adapter is all zero: training changed nothing.", str(adapter), advice)
    if not changed:
        what = "The trained weights kept their initial values: training changed nothing."
        raise RunBroke(what, str(adapter), advice)
    if not all(bool(tensor.isfinite().all()) for tensor in state.values()):
        raise RunBroke("The adapter contains values that are not finite.", str(adapter), _NOTHING)
