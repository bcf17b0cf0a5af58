"""The evaluations of a run: when the next one is due, which one is the best, and whether the run should stop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kit.train.distributed.sharded import gathered_weights
from kit.train.job import Scorer, StepEvaluation, TrainJob
from kit.train.report.measure import best_of, measure
from kit.train.report.stopping import should_stop
from kit.train.step.optimiser import Optimiser


class Evaluations:
    """Evaluates the model, and holds all evaluations so far; every process holds the same."""

    def __init__(
        self, job: TrainJob, optimiser: Optimiser, scorer: Scorer | None, threads: int, history: list[StepEvaluation]
    ) -> None:
        self.history = history
        self._job, self._optimiser, self._scorer, self._threads = job, optimiser, scorer, threads

    @property
    def best(self) -> StepEvaluation | None:
        """The evaluation of the checkpoint to publish; None until a trained model was evaluated."""
        return best_of(self.history, self._job.higher_is_better)

    @property
    def base_loss(self) -> float | None:
        """The validation loss of the base; None if it was not measured."""
        return self.history[0].validation_loss if self.history else None

    def due(self, step: int) -> bool:
        """Whether to evaluate after a step: the base at step 0, then the model where the plan says so."""
        planned = step in {0, *self._optimiser.plan.evaluations}
        return planned and all(made.step != step for made in self.history)

    def should_stop(self) -> bool:
        """Whether the evaluations no longer improve."""
        return should_stop(self.history, self._job.section.early_stopping, self._job.higher_is_better)

    def make(self, step: int) -> StepEvaluation:
        """Evaluate the model after a step, and add the result to the history."""
        ranks, scorer = self._optimiser.ranks, self._scorer if step else None
        if scorer and ranks.sharded:
            scorer = self._scored_by_first(scorer)
        made = ranks.jointly(lambda: self._measured(scorer, step))
        self.history.append(made)
        return made

    def _measured(self, scorer: Scorer | None, step: int) -> StepEvaluation:
        made, penalty = measure(self._job, self._optimiser, scorer, step, self._threads), self._optimiser.penalty
        if penalty is None:
            return made
        return replace(made, scores={**(made.scores or {}), "ewc_penalty": penalty.value()})

    def _scored_by_first(self, scorer: Scorer) -> Scorer:
        """Run the scorer in the first process only, with all weights gathered: it may call the model in any way."""

        def score(model: Any) -> Mapping[str, float | None]:
            with gathered_weights(self._optimiser.body):
                return self._optimiser.ranks.from_first(lambda: scorer(model))

        return score
