"""Measure CPU-minutes of LoRA against the base, the base with examples in its prompt, and a classical baseline."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.shared.harness import Figure
from kit.base import Base
from kit.chat import Renderer
from kit.data.rows import build_rows
from kit.data.split import limited
from kit.engines.answerer import Answerer, BoundTask
from kit.engines.base import EngineConfig
from kit.engines.local import LocalEngine
from kit.errors import Unmeasured
from kit.evals.few_shot import Shots, choose_shots
from kit.evals.run import Evaluation, evaluate, evaluate_predictor, values_of
from kit.recipe import TrainSection
from kit.task import ClassicalBaseline, Example, Task
from kit.train.job import Trained, TrainJob
from kit.train.loop import train
from kit.workflows.steps.engines import running

AnyExample = Example[Any, Any]
THREADS = 1
"""One thread, so that a minute of training is a CPU-minute."""


@dataclass(frozen=True)
class Trial:
    """A task with its training and test examples; no group is in both."""

    task: Task[Any, Any]
    train: Sequence[AnyExample]
    test: Sequence[AnyExample]
    section: TrainSection
    minutes: float
    shots: int = 0
    max_length: int = 2048
    compared: int | None = None
    """Number of test examples for the base, with and without examples in its prompt; None means all."""


def measure_trial(trial: Trial, base: Base) -> Figure:
    """Return the main metric of the base, the base with examples in its prompt, the adapter and the baseline."""
    task, name, few = trial.task, trial.task.main_metric, limited(trial.test, trial.compared)
    figure: Figure = {"metric": name, "examples": len(trial.test)}
    figure |= {"compared": len(few), "base": _score(task, base, trial, few)}
    if trial.shots:
        figure["few_shot"] = _few_shot(trial, base, few)
    with tempfile.TemporaryDirectory() as folder:
        trained = train_trial(trial, base, Path(folder))
        figure |= {"tuned": _score(task, base, trial, trial.test, trained.adapter), **training_cost(trained)}
    if isinstance(task, ClassicalBaseline):
        found = values_of(task, evaluate_predictor(task, task.fit_baseline(trial.train), trial.test))[name]
        figure |= {"baseline": _rounded(found), "baseline_is": task.baseline_name}
    return figure


def train_trial(trial: Trial, base: Base, folder: Path) -> Trained:
    """Train an adapter with the kit's own loop."""
    renderer = Renderer(base.folder)
    made = build_rows(trial.task, renderer, trial.train, trial.max_length, "drop")
    if made.dropped:
        print(
            f"{len(made.dropped)} training rows are longer than {trial.max_length} tokens: left out.", file=sys.stderr
        )
    section = trial.section.model_copy(update={"max_minutes": trial.minutes})
    job = TrainJob(base, "float32", section, made.rows, (), renderer.pad_id, folder, threads=THREADS)
    return train(job, None, lambda _: None)


def training_cost(trained: Trained) -> Figure:
    """Return the minutes, tokens and steps of a training run."""
    return {"minutes": round(trained.seconds / 60, 1), "tokens": trained.tokens, "steps": trained.step}


def evaluate_adapter(
    task: Task[Any, Any],
    base: Base,
    adapter: Path | None,
    examples: Sequence[AnyExample],
    max_length: int,
    shots: Shots | None = None,
) -> Evaluation:
    """Evaluate the base, or the adapter on it, on every example. Raises Unmeasured if some do not fit the context."""
    adapters = {"tuned": adapter} if adapter else {}
    config = EngineConfig(base.folder, dtype="float32", max_length=max_length, adapters=adapters, threads=THREADS)

    async def ask() -> Evaluation:
        async with running(LocalEngine(config)) as engine:
            name, turns = "tuned" if adapter else None, shots.turns if shots else ()
            return await evaluate(Answerer(task, Renderer(base.folder), engine, name, shots=turns), examples)

    found = asyncio.run(ask())
    if found.unscored:
        raise Unmeasured(f"{found.unscored} of {len(examples)} examples do not fit the context.")
    return found


def _few_shot(trial: Trial, base: Base, examples: Sequence[AnyExample]) -> float | str:
    bound = BoundTask(trial.task, Renderer(base.folder), trial.max_length)
    shots = choose_shots(bound, trial.train[: trial.shots], examples, trial.shots)
    return f"not measured: {shots.reason}" if shots.reason else _score(trial.task, base, trial, examples, shots=shots)


def _score(
    task: Task[Any, Any],
    base: Base,
    trial: Trial,
    examples: Sequence[AnyExample],
    adapter: Path | None = None,
    shots: Shots | None = None,
) -> float | str:
    try:
        found = evaluate_adapter(task, base, adapter, examples, trial.max_length, shots)
    except Unmeasured as reason:
        return f"not measured: {reason}"
    return _rounded(values_of(task, found)[task.main_metric])


def _rounded(value: float | None) -> float | str:
    return "not measured" if value is None else round(value, 4)
