"""When a run has had enough: decided from its evaluations alone, so that a resumed run decides the same."""

from __future__ import annotations

from collections.abc import Sequence

from kit.recipe import EarlyStoppingSection
from kit.train.job import Evaluation


def should_stop(history: Sequence[Evaluation], section: EarlyStoppingSection | None, higher_is_better: bool) -> bool:
    """Say whether the last `patience` evaluations brought nothing that is better by more than `min_delta`.

    An evaluation that could not be measured counts for nothing, neither as better nor as another one without change.
    """
    if section is None:
        return False
    best: float | None = None
    waited = 0
    for merit in _merits(history, section, higher_is_better):
        if best is None or merit > best + section.min_delta:
            best, waited = merit, 0
        else:
            waited += 1
    return waited >= section.patience


def _merits(history: Sequence[Evaluation], section: EarlyStoppingSection, higher_is_better: bool) -> list[float]:
    """What was measured, in its order, turned so that more is better."""
    if section.on == "score":
        sign = 1 if higher_is_better else -1
        return [sign * made.score for made in history if made.score is not None]
    return [-made.validation_loss for made in history if made.validation_loss is not None]
