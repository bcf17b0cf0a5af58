"""Train a model on a project's examples, and build the bundle that serving needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kit.workflows.events import Report, ignore

if TYPE_CHECKING:
    from kit.preflight.time import Forecast
    from kit.train.job import StepEvaluation


@dataclass(frozen=True)
class TrainPlan:
    """What a training run would do.

    `numbers` are its counts by name (rows, steps, tokens, …); `shares` is each source's share of the training rows,
    from 0 to 1; `estimate` is memory in bytes, time in seconds, and cost.
    """

    numbers: Mapping[str, int | float | str | None]
    shares: Mapping[str, float]
    estimate: Forecast


@dataclass(frozen=True)
class TrainResult:
    """A finished training run.

    `bundle` is the digest of the bundle, `path` its folder. `step` is the checkpoint that was chosen; `score` is its
    main metric, `scores` all of its metrics, `validation_loss` its loss in nats per token; None: not measured.
    `tokens` counts trained tokens without padding, `seconds` is the training time. `history` has the measurements of
    the run, from step 0 (the base model). `not_as_asked` names settings that were not applied as the recipe asks; it
    is empty if all were.

    If several processes train together, only the first builds the bundle. In the others `bundle` is empty and `path` is
    the folder of the adapter.
    """

    bundle: str
    path: Path
    run: str
    run_folder: Path
    step: int
    score: float | None
    scores: Mapping[str, float | None]
    validation_loss: float | None
    tokens: int
    seconds: float
    history: tuple[StepEvaluation, ...]
    not_as_asked: str


def plan_train(
    project: str | Path = ".",
    *,
    profile: str | None = None,
    peak_tflops: float | None = None,
    price_per_hour: float | None = None,
    report: Report = ignore,
) -> TrainPlan:
    """Check everything as `train` does before its first step, and return what it would do; nothing is trained.

    `peak_tflops` (of the device) bounds the time if this base was never trained here; `price_per_hour` gives a cost.
    Raises InputError if the model cannot be trained or served, RunBroke for rows that must not be trained on.
    """
    from kit.project.project import Project
    from kit.workflows.steps.arguments import refuse_meaningless

    refuse_meaningless(profile=profile, peak_tflops=peak_tflops, price_per_hour=price_per_hour)
    found = Project.find(Path(project))
    recipe = found.recipe(profile)  # before torch is loaded, so that a wrong recipe is refused at once
    from kit.workflows.steps.training.run import plan

    return plan(found, recipe, profile, peak_tflops, price_per_hour, report)


def train(
    project: str | Path = ".",
    *,
    profile: str | None = None,
    resume: bool = False,
    threads: int | None = None,
    peak_tflops: float | None = None,
    price_per_hour: float | None = None,
    report: Report = ignore,
) -> TrainResult:
    """Train, choose the best checkpoint by the task's main metric, and build a sealed bundle.

    `resume` continues the last unfinished run of the same recipe and data; `threads` are CPU threads, one per core by
    default. The events of `kit.train.events` and Notes go to `report`. Raises InputError for what cannot be trained or
    served, RunBroke if training broke, Stopped on Ctrl-C or SIGTERM after a checkpoint was saved, and
    Interrupted or Terminated where the process is asked to stop in another part of the run.
    """
    from kit.project.project import Project
    from kit.workflows.steps.arguments import refuse_meaningless

    refuse_meaningless(profile=profile, threads=threads, peak_tflops=peak_tflops, price_per_hour=price_per_hour)
    found = Project.find(Path(project))
    recipe = found.recipe(profile)  # before torch is loaded, so that a wrong recipe is refused at once
    from kit.workflows.steps.training.run import train_and_build

    return train_and_build(found, recipe, profile, resume, threads, peak_tflops, price_per_hour, report)
