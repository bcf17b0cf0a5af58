"""The evaluations of a run: when they are due, what they measured, which is the best, and when the run should stop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kit.train.distributed.sharded import gathered_weights
from kit.train.job import Evaluation, Scorer, TrainJob
from kit.train.report.measure import best_of, measure
from kit.train.report.stopping import should_stop
from kit.train.step.optimiser import Optimiser


class Evaluations:
    """The evaluations made so far, the same in all processes, and how to make the next one."""

    def __init__(
        self, job: TrainJob, optimiser: Optimiser, scorer: Scorer | None, threads: int, history: list[Evaluation]
    ) -> None:
        self.history = history
        self._job, self._optimiser, self._scorer, self._threads = job, optimiser, scorer, threads

    @property
    def best(self) -> Evaluation | None:
        """The evaluation whose checkpoint would be published now; None before the first one of a trained model."""
        return best_of(self.history, self._job.higher_is_better)

    @property
    def base_loss(self) -> float | None:
        """The base's validation loss, where it was measured."""
        return self.history[0].validation_loss if self.history else None

    def due(self, step: int) -> bool:
        """Whether the model must be measured after a step: the base before the first, the model where the plan says."""
        planned = step in {0, *self._optimiser.plan.evaluations}
        return planned and all(made.step != step for made in self.history)

    def should_stop(self) -> bool:
        """Whether the last evaluations no longer improved."""
        return should_stop(self.history, self._job.section.early_stopping, self._job.higher_is_better)

    def make(self, step: int) -> Evaluation:
        """Measure the model after a step, and add the result to the history."""
        ranks, scorer = self._optimiser.ranks, self._scorer if step else None
        if scorer and ranks.sharded:
            scorer = self._scored_by_first(scorer)
        made = ranks.jointly(lambda: self._measured(scorer, step))
        self.history.append(made)
        return made

    def _measured(self, scorer: Scorer | None, step: int) -> Evaluation:
        made, penalty = measure(self._job, self._optimiser, scorer, step, self._threads), self._optimiser.penalty
        if penalty is None:
            return made
        return replace(made, scores={**(made.scores or {}), "ewc_penalty": penalty.value()})

    def _scored_by_first(self, scorer: Scorer) -> Scorer:
        """A scorer may call the model in any way, so only the first process runs it, with all weights in place."""

        def score(model: Any) -> Mapping[str, float | None]:
            with gathered_weights(self._optimiser.body):
                return self._optimiser.ranks.from_first(lambda: scorer(model))

        return score
