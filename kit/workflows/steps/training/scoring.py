"""The scorer of a training run: the tasks' own metrics on the validation examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kit.chat import Renderer
from kit.engines.answerer import Answerer
from kit.engines.local import LocalEngine
from kit.evals.run import evaluate, values_of
from kit.project.project import Data
from kit.recipe import Recipe
from kit.system.coroutines import run_to_end
from kit.train.job import Scorer
from kit.workflows.steps.engines import running
from kit.workflows.steps.training.data import MEAN, TrainingData

Values = Mapping[str, float | None]


def scorer(data: TrainingData, recipe: Recipe, renderer: Renderer) -> Scorer:
    """Return a function that measures a model on each task's validation examples.

    With several tasks, metrics are named TASK.METRIC, and the mean of the main metrics is added.
    """
    examples = [each.examples("validation") for each in data.tasks]

    async def measure(model: Any) -> Values:
        engine = LocalEngine.from_model(model, renderer, max_length=recipe.serve.max_length)
        async with running(engine):
            found = [
                values_of(each.task, await evaluate(Answerer(each.task, renderer, engine), asked))
                for each, asked in zip(data.tasks, examples, strict=True)
            ]
        return found[0] if len(found) == 1 else _together(data.tasks, found)

    return lambda model: run_to_end(measure(model))


def _together(tasks: Sequence[Data], found: Sequence[Values]) -> Values:
    """Return all metrics under their task's name, and the mean of the main ones; None if one was not measured."""
    mains = [values[data.task.main_metric] for data, values in zip(tasks, found, strict=True)]
    known = [value for value in mains if value is not None]
    mean = sum(known) / len(known) if len(known) == len(mains) else None
    named = {
        f"{data.task.name}.{name}": value
        for data, values in zip(tasks, found, strict=True)
        for name, value in values.items()
    }
    return {MEAN: mean, **named}
