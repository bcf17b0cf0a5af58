"""The steps of `train`: choose the run, train, build the bundle, and write the run's report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kit.bundle.build import BuildPlan, build_bundle
from kit.bundle.golden import dialogues_of
from kit.bundle.store import Bundle, Store
from kit.project.project import Project, first_requests
from kit.project.runs import Run, new_run, unfinished_run
from kit.recipe import Recipe
from kit.task import Message
from kit.train.distributed.ranks import start_ranks
from kit.train.events import PhaseStarted
from kit.train.job import Trained
from kit.train.loop import train
from kit.train.plan.plan import make_plan
from kit.train.plan.sharing import sharing
from kit.train.report.applied import read_facts, trouble
from kit.workflows.events import Note, Report
from kit.workflows.steps.interrupts import advise_on_interrupt
from kit.workflows.steps.training.data import interleaved, record_of
from kit.workflows.steps.training.inputs import Inputs, checked_inputs, forecast_of, training_job
from kit.workflows.steps.training.scoring import scorer
from kit.workflows.training import TrainPlan, TrainResult


def plan(
    project: Project,
    recipe: Recipe,
    profile: str | None,
    peak_tflops: float | None,
    price_per_hour: float | None,
    report: Report,
) -> TrainPlan:
    """Make the checks of training, and return the plan."""
    inputs = checked_inputs(project, recipe, profile, report)
    data, section = inputs.data, inputs.recipe.train
    shared = sharing(inputs.base, section, [*data.rows, *data.validation])
    numbers = make_plan(data.rows, section, data.mixture, sharing=shared).summary()
    return TrainPlan(numbers, data.shares(), forecast_of(inputs, peak_tflops, price_per_hour))


def train_and_build(
    project: Project,
    recipe: Recipe,
    profile: str | None,
    resume: bool,
    threads: int | None,
    peak_tflops: float | None,
    price_per_hour: float | None,
    report: Report,
) -> TrainResult:
    """Train in a new run, or in the last unfinished one, and build the bundle of its best checkpoint."""
    inputs = checked_inputs(project, recipe, profile, report)
    estimate = forecast_of(inputs, peak_tflops, price_per_hour)
    ranks = start_ranks()
    run = ranks.from_first(lambda: _choose_run(inputs, resume))
    if not ranks.first:  # one of several processes: all train, only the first builds the bundle
        return _result(run, _train(inputs, run, resume, threads, report), None)
    with run.working(), advise_on_interrupt("Continue with: kit train --resume"):
        for line in [*estimate.lines(), f"Run {run.id}: {len(inputs.data.rows)} rows, base {inputs.base.name}."]:
            report(Note(line))
        trained = _train(inputs, run, resume, threads, report)
        score = "" if trained.score is None else f", score {trained.score:.3f}"
        report(Note(f"Best: step {trained.step}{score}. Building the bundle."))
        bundle = _build(inputs, run, trained, report)
        run.finish({**_figures(run, trained), "scores": _scores(trained), "bundle": bundle.digest})
    return _result(run, trained, bundle)


def _choose_run(inputs: Inputs, resume: bool) -> Run:
    root, recipe, digest = inputs.project.root, inputs.recipe, inputs.data.digest
    return unfinished_run(root, recipe, digest) if resume else new_run(root, recipe, digest, inputs.profile)


def _train(inputs: Inputs, run: Run, resume: bool, threads: int | None, report: Report) -> Trained:
    score = scorer(inputs.data, inputs.recipe, inputs.renderer)
    return train(training_job(inputs, run.folder, resume, threads), score, report)


def _build(inputs: Inputs, run: Run, trained: Trained, report: Report) -> Bundle:
    build = BuildPlan(
        recipe=inputs.recipe,
        base=inputs.base,
        adapter=trained.adapter,
        project=inputs.project.root,
        rows=[row.ids for row in inputs.data.validation],
        dialogues=_dialogues(inputs),
        data_digest=inputs.data.digest,
        trained=_figures(run, trained),
        record=record_of(inputs.project, inputs.recipe, inputs.data.tasks),
        requests=first_requests(inputs.data.tasks),
    )
    return build_bundle(build, Store(inputs.project.root), lambda sentence: report(PhaseStarted(sentence)))


def _dialogues(inputs: Inputs) -> Sequence[Sequence[Message]]:
    """Return the dialogues of the golden renders: real prompts, and dialogues on which renderers often differ."""
    prompts = interleaved(
        [prompt for each in data.examples("validation")[:4] for prompt in data.task.prompts(each.request)]
        for data in inputs.data.tasks
    )
    return dialogues_of([prompt.messages for prompt in prompts if prompt.messages], inputs.renderer)


# --- the results -----------------------------------------------------------------------------------------------


def _figures(run: Run, trained: Trained) -> dict[str, Any]:
    """Return the figures that the bundle and the run's report record."""
    return {
        "run": run.id,
        "step": trained.step,
        "score": trained.score,
        "validation_loss": trained.validation_loss,
        "tokens": trained.tokens,
        "seconds": round(trained.seconds, 1),
    }


def _scores(trained: Trained) -> dict[str, float | None]:
    """Return all metrics of the chosen checkpoint."""
    return next((dict(made.scores or {}) for made in trained.history if made.step == trained.step), {})


def _result(run: Run, trained: Trained, bundle: Bundle | None) -> TrainResult:
    return TrainResult(
        bundle=bundle.digest if bundle else "",
        path=bundle.folder if bundle else trained.adapter,
        run=run.id,
        run_folder=run.folder,
        step=trained.step,
        score=trained.score,
        scores=_scores(trained),
        validation_loss=trained.validation_loss,
        tokens=trained.tokens,
        seconds=round(trained.seconds, 1),
        history=trained.history,
        not_as_asked=trouble(read_facts(run.folder) or ()),
    )
