"""What some CPU-minutes of LoRA bring: a base before and after, with examples in its prompt, and without a model."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kit.base import Base
from kit.chat import Renderer
from kit.data.rows import build_rows
from kit.data.split import limited
from kit.engines.answerer import Answerer
from kit.engines.base import EngineConfig
from kit.engines.local import LocalEngine
from kit.errors import Unmeasured
from kit.evals.run import Evaluation, evaluate, evaluate_predictor, values_of
from kit.recipe import TrainSection
from kit.task import ClassicalBaseline, Example, Message, Prompt, Task, write_answer
from kit.train.job import Trained, TrainJob
from kit.train.loop import train
from kit.workflows.steps.engines import running

AnyExample = Example[Any, Any]
THREADS = 1
"""One thread, so that a minute of training is a CPU-minute."""

Figure = dict[str, float | int | str]


@dataclass(frozen=True)
class Trial:
    """A task, the examples that an adapter learns from, and those that it is scored on; no group is on both sides."""

    task: Task[Any, Any]
    train: Sequence[AnyExample]
    test: Sequence[AnyExample]
    section: TrainSection
    minutes: float
    shots: int = 0
    max_length: int = 2048
    compared: int | None = None
    """Ask the base, alone and with examples in its prompt, for this many test examples; None: for all of them."""


def tried(trial: Trial, base: Base) -> Figure:
    """Return the main metric of the base as it is, with examples in its prompt and tuned, and of the baseline."""
    task, name, few = trial.task, trial.task.main_metric, limited(trial.test, trial.compared)
    figure: Figure = {"metric": name, "examples": len(trial.test)}
    figure |= {"compared": len(few), "base": _score(task, base, trial, few)}
    if trial.shots:
        figure["few_shot"] = _score(FewShot(task, trial.train[: trial.shots]), base, trial, few)
    with tempfile.TemporaryDirectory() as folder:
        trained = tuned(trial, base, Path(folder))
        figure |= {"tuned": _score(task, base, trial, trial.test, trained.adapter), **spent(trained)}
    if isinstance(task, ClassicalBaseline):
        found = values_of(task, evaluate_predictor(task, task.fit_baseline(trial.train), trial.test))[name]
        figure |= {"baseline": _rounded(found), "baseline_is": task.baseline_name}
    return figure


def tuned(trial: Trial, base: Base, folder: Path) -> Trained:
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


def spent(trained: Trained) -> Figure:
    """What the training took."""
    return {"minutes": round(trained.seconds / 60, 1), "tokens": trained.tokens, "steps": trained.step}


def evaluated(
    task: Task[Any, Any], base: Base, adapter: Path | None, examples: Sequence[AnyExample], max_length: int
) -> Evaluation:
    """Ask the base, or the adapter on it, for every example. Raises Unmeasured where some do not fit the context."""
    adapters = {"tuned": adapter} if adapter else {}
    config = EngineConfig(base.folder, dtype="float32", max_length=max_length, adapters=adapters, threads=THREADS)

    async def ask() -> Evaluation:
        async with running(LocalEngine(config)) as engine:
            return await evaluate(Answerer(task, Renderer(base.folder), engine, "tuned" if adapter else None), examples)

    found = asyncio.run(ask())
    if found.unscored:
        raise Unmeasured(f"{found.unscored} of {len(examples)} examples do not fit the context.")
    return found


def _score(
    task: Task[Any, Any], base: Base, trial: Trial, examples: Sequence[AnyExample], adapter: Path | None = None
) -> float | str:
    try:
        found = evaluated(task, base, adapter, examples, trial.max_length)
    except Unmeasured as reason:
        return f"not measured: {reason}"
    return _rounded(values_of(task, found)[task.main_metric])


def _rounded(value: float | None) -> float | str:
    return "not measured" if value is None else round(value, 4)


class FewShot(Task[Any, Any]):
    """A task whose prompts begin with solved examples."""

    def __init__(self, task: Task[Any, Any], shots: Sequence[AnyExample]) -> None:
        super().__init__(task.options)
        self._task = task
        self._turns = tuple(turn for shot in shots for turn in self._solved(shot))
        vars(self).update(metrics=task.metrics, main_metric=task.main_metric)

    def _solved(self, shot: AnyExample) -> Sequence[Message]:
        """The first prompt of an example that has a target, with its answer; nothing where none has."""
        pairs = zip(self._task.prompts(shot.request), self._task.targets(shot.request, shot.response), strict=True)
        for prompt, target in pairs:
            if target is not None:
                asked = [message for message in prompt.messages if message.role != "system"]
                return [*asked, Message.of("assistant", write_answer(target))]
        return []

    def prompts(self, request: Any) -> list[Prompt]:
        """The task's prompts, with the examples after the instruction."""
        return [replace(prompt, messages=self._with_shots(prompt.messages)) for prompt in self._task.prompts(request)]

    def _with_shots(self, messages: Sequence[Message]) -> tuple[Message, ...]:
        system = [message for message in messages if message.role == "system"]
        return (*system, *self._turns, *messages[len(system) :])

    def targets(self, request: Any, response: Any) -> Sequence[Any]:
        """The task's own."""
        return self._task.targets(request, response)

    def read(self, request: Any, completions: Sequence[Any]) -> Any:
        """The task's own."""
        return self._task.read(request, completions)

    def observe(self, expected: Any, actual: Any) -> Mapping[str, float]:
        """The task's own."""
        return self._task.observe(expected, actual)
