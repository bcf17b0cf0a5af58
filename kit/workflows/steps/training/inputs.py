"""Reads everything that training and search need, and refuses wrong inputs before the first step."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kit.base import Base
from kit.base.configuration import refuse_config
from kit.bundle.store import Store
from kit.chat import Renderer
from kit.data.checking.checks import check_prompts, require
from kit.errors import Problem, UnfitRows
from kit.preflight.base import refuse_unsound_base
from kit.preflight.servability import check_base, refuse_unservable
from kit.preflight.time import Forecast, forecast, work_of_epoch
from kit.project.project import Project, first_requests
from kit.recipe import Recipe
from kit.task.copy import try_copy
from kit.train.job import RunBroke, TrainJob
from kit.train.model.attachment import preview
from kit.train.model.methods.qlora import refuse_elsewhere
from kit.train.state.conditions import training_device
from kit.workflows.events import Note, Report
from kit.workflows.steps.training.data import TrainingData, gather


@dataclass(frozen=True)
class Inputs:
    """The project, its recipe under a profile, its data, and its base model with the renderer of its prompts."""

    project: Project
    recipe: Recipe
    profile: str | None
    data: TrainingData
    base: Base
    renderer: Renderer


def read_inputs(project: Project, recipe: Recipe, profile: str | None) -> Inputs:
    """Read everything that training with a recipe needs. Raises RunBroke for rows that must not be trained on."""
    base = project.base(recipe)
    refuse_unsound_base(base.folder, recipe.base.template_args)
    renderer = project.renderer(recipe)
    try:
        return Inputs(project, recipe, profile, gather(project, recipe, renderer), base, renderer)
    except UnfitRows as error:
        raise RunBroke([*error.problems, Problem("Nothing was trained or published.")]) from None


def checked_inputs(project: Project, recipe: Recipe, profile: str | None, report: Report) -> Inputs:
    """Try the method on the base's architecture without weights, then read and check the data.

    Raises InputError if the model could not be trained, stored or served.
    """
    _try_attaching(project, recipe, report)
    report(Note("Reading the data and making rows."))
    inputs = read_inputs(project, recipe, profile)
    _refuse_before_training(inputs)
    for dropped in inputs.data.dropped:
        report(Note(dropped.sentence))
    return inputs


def _try_attaching(project: Project, recipe: Recipe, report: Report) -> None:
    """Attach the method to the base's architecture without weights, which is fast and finds wrong target modules."""
    if recipe.train.method == "qlora":
        refuse_elsewhere(training_device())
    folder = project.base_config(recipe)
    refuse_config(folder)
    found = preview(folder, recipe.train)
    report(Note(f"{recipe.train.method}: {found.sentence}"))
    report(Note(refuse_unservable(recipe, folder, found.mergeable)))


def _refuse_before_training(inputs: Inputs) -> None:
    """Raise InputError for mistakes that would otherwise fail only after training, in the bundle or in serving."""
    Store(inputs.project.root).refuse_unwritable()
    try_copy(inputs.project.root, inputs.recipe, first_requests(inputs.data.tasks))
    checks = check_base(inputs.recipe, inputs.base.folder)
    for data in inputs.data.tasks:
        parts = {part: data.examples(part) for part in ("train", "validation")}
        checks.append(check_prompts(data.task, inputs.renderer, parts, inputs.recipe.serve.max_length))
    require(checks)


def forecast_of(inputs: Inputs, peak_tflops: float | None, price_per_hour: float | None) -> Forecast:
    """Estimate memory, time and cost of a training run."""
    work = work_of_epoch(inputs.data.rows, inputs.data.mixture, inputs.recipe.train.seed)
    return forecast(inputs.project.root, inputs.base.folder, inputs.recipe, work, peak_tflops, price_per_hour)


def training_job(inputs: Inputs, folder: Path, resume: bool, threads: int | None) -> TrainJob:
    """Return the job for the training loop; `folder` is the run's folder."""
    return TrainJob(
        base=inputs.base,
        dtype=inputs.recipe.base.dtype,
        section=inputs.recipe.train,
        rows=inputs.data.rows,
        validation=inputs.data.validation,
        pad_id=inputs.renderer.pad_id,
        folder=folder,
        metric=inputs.data.metric,
        higher_is_better=inputs.data.higher_is_better,
        resume=resume,
        threads=threads,
        mixture=inputs.data.mixture,
        reference=inputs.data.reference,
    )
