"""Early stopping. It depends on the evaluations only, so that a resumed run makes the same decision."""

from __future__ import annotations

from collections.abc import Sequence

from kit.recipe import EarlyStoppingSection
from kit.train.job import StepEvaluation


def should_stop(
    history: Sequence[StepEvaluation], section: EarlyStoppingSection | None, higher_is_better: bool
) -> bool:
    """Whether the last `patience` evaluations brought no improvement by more than `min_delta`.

    An evaluation without the figure is ignored.
    """
    if section is None:
        return False
    best: float | None = None
    without_improvement = 0
    for merit in _merits(history, section, higher_is_better):
        if best is None or merit > best + section.min_delta:
            best, without_improvement = merit, 0
        else:
            without_improvement += 1
    return without_improvement >= section.patience


def _merits(history: Sequence[StepEvaluation], section: EarlyStoppingSection, higher_is_better: bool) -> list[float]:
    """Return the figures in order, with the sign changed where needed so that higher is better."""
    if section.on == "score":
        sign = 1 if higher_is_better else -1
        return [sign * made.score for made in history if made.score is not None]
    return [-made.validation_loss for made in history if made.validation_loss is not None]
