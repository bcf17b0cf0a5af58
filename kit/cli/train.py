"""`kit train`: tune the base on the project's examples, and end with a bundle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kit.cli.numbers import PEAK_TFLOPS, PRICE_PER_HOUR, THREADS
from kit.cli.output import Output, kit_command, table
from kit.errors import Problem, UnfitRows

if TYPE_CHECKING:
    from kit.base import Base
    from kit.bundle.store import Bundle
    from kit.chat import Renderer
    from kit.cli.training_data import TrainingData
    from kit.preflight.time import Forecast
    from kit.project.project import Project
    from kit.project.runs import Run
    from kit.recipe import Recipe
    from kit.task import Message
    from kit.train.distributed.ranks import Ranks
    from kit.train.job import Scorer, Trained, TrainJob
    from kit.train.plan.sharing import Sharing


@dataclass(frozen=True)
class Plan:
    """What is to be trained, on what."""

    project: Project
    recipe: Recipe
    profile: str | None
    data: TrainingData
    base: Base
    renderer: Renderer


@kit_command("train", "kit train --profile smoke")
@click.option("--profile", help="A profile of the recipe.")
@click.option("--resume", is_flag=True, help="Go on with the last unfinished run of this recipe and data.")
@click.option("--threads", type=THREADS, help="CPU threads; default: one per core.")
@click.option("--dry-run", is_flag=True, help="Print the plan, and train nothing.")
@click.option("--price-per-hour", type=PRICE_PER_HOUR, help="Price of the machine: gives a cost.")
@click.option("--peak-tflops", type=PEAK_TFLOPS, help="The device's peak: bounds the time.")
@click.option("--explain", type=click.IntRange(min=1), metavar="STEP", help="Name the rows behind a step's loss.")
@click.option("--run", "ref", default="latest", help="With --explain: the run; default: the latest.")
def command(
    output: Output,
    profile: str | None,
    resume: bool,
    threads: int | None,
    dry_run: bool,
    price_per_hour: float | None,
    peak_tflops: float | None,
    explain: int | None,
    ref: str,
) -> None:
    """Train, choose the best checkpoint by the task's own metric, and build a sealed bundle.

    Ctrl-C saves a checkpoint first; --resume goes on from it as if nothing had happened.
    """
    if explain is not None:
        from kit.cli.explain import explain_step

        explain_step(output, explain, ref)
        return
    plan = _plan(output, profile)
    refuse_before_training(plan)
    for dropped in plan.data.dropped:
        output.say(dropped.sentence)
    estimate = _forecast(plan, peak_tflops, price_per_hour)
    if dry_run:
        from kit.train.plan.plan import make_plan

        summary = {
            **make_plan(plan.data.rows, plan.recipe.train, plan.data.mixture, sharing=_sharing(plan)).summary(),
            **{f"share_of_{name}": round(share, 4) for name, share in plan.data.shares().items()},
        }
        lines = table(("plan", ""), [(name, str(value)) for name, value in summary.items()])
        output.result({**summary, "estimate": estimate.facts()}, "\n".join([lines, "", *estimate.lines()]))
        return
    ranks = _ranks()
    run = ranks.from_first(lambda: _run(plan, resume))
    if not ranks.first:  # one of several processes: it trains, and leaves the rest to the first
        _train(output, plan, run, resume, threads)
        return
    for line in [*estimate.lines(), f"Run {run.id}: {len(plan.data.rows)} rows, base {plan.base.name}."]:
        output.say(line)
    with run.working():
        trained = _train(output, plan, run, resume, threads)
        output.say(f"Best: step {trained.step}{_score(trained)}. Building the bundle.")
        bundle = _build(output, plan, run, trained)
        run.finish({**_facts(run, trained), **_scores(trained), "bundle": bundle.digest})
    odd = _not_applied(run)
    facts = {**_facts(run, trained), **_scores(trained), "bundle": bundle.digest}
    told = [f"Not as asked: {odd}"] if odd else []
    output.result(
        {**facts, "folder": str(bundle.folder), "not_as_asked": odd},
        "\n".join([*told, f"Bundle {bundle.digest[:12]} in {bundle.folder}", "Next: kit eval"]),
    )


def _not_applied(run: Run) -> str:
    """Return one line on what was not applied as it was asked, or is not known to have been."""
    from kit.train.report.applied import read_facts, trouble

    return trouble(read_facts(run.folder) or ())


def _plan(output: Output, profile: str | None) -> Plan:
    from kit.project.project import Project

    project = Project.find()
    recipe = project.recipe(profile)
    _attach_first(output, project, recipe)
    output.say("Reading the data and making rows.")
    return plan_of(project, recipe, profile)


def plan_of(project: Project, recipe: Recipe, profile: str | None) -> Plan:
    """Return what training with a recipe works on. Raises RunBroke for rows that are not fit to be trained on."""
    from kit.cli.training_data import gather
    from kit.preflight.base import refuse_unsound_base
    from kit.train.job import RunBroke

    base = project.base(recipe)
    refuse_unsound_base(base.folder, recipe.base.template_args)
    renderer = project.renderer(recipe)
    try:
        return Plan(project, recipe, profile, gather(project, recipe, renderer), base, renderer)
    except UnfitRows as error:
        raise RunBroke([*error.problems, Problem("Nothing was trained or published.")]) from None


def refuse_before_training(plan: Plan) -> None:
    """Raise InputError for what would only be found out after the training: that nothing can be stored or served."""
    from kit.bundle.store import Store
    from kit.data.checking.checks import check_prompts, require
    from kit.preflight.servability import check_base
    from kit.project.project import first_requests
    from kit.task.copy import try_copy

    Store(plan.project.root).refuse_unwritable()
    try_copy(plan.project.root, plan.recipe, first_requests(plan.data.tasks))
    checks = check_base(plan.recipe, plan.base.folder)
    for data in plan.data.tasks:
        parts = {part: data.examples(part) for part in ("train", "validation")}
        checks.append(check_prompts(data.task, plan.renderer, parts, plan.recipe.serve.max_length))
    require(checks)


def _sharing(plan: Plan) -> Sharing:
    """Whether rows will share their prefixes, as far as it can be told without asking for the device."""
    from kit.train.plan.sharing import sharing

    return sharing(plan.base, plan.recipe.train, [*plan.data.rows, *plan.data.validation])


def _attach_first(output: Output, project: Project, recipe: Recipe) -> None:
    """Attach the method to the base's bare architecture, and refuse what could not be trained or served, at once."""
    from kit.base.configuration import refuse_config
    from kit.preflight.servability import refuse_unservable
    from kit.train.model.attachment import preview
    from kit.train.model.methods.qlora import refuse_elsewhere
    from kit.train.state.machine import training_device

    if recipe.train.method == "qlora":
        refuse_elsewhere(training_device())
    folder = project.base_config(recipe)
    refuse_config(folder)
    found = preview(folder, recipe.train)
    output.say(f"{recipe.train.method}: {found.sentence}")
    output.say(refuse_unservable(recipe, folder, found.mergeable))


def _forecast(plan: Plan, peak_tflops: float | None, price_per_hour: float | None) -> Forecast:
    from kit.preflight.time import forecast, work_of_epoch

    work = work_of_epoch(plan.data.rows, plan.data.mixture, plan.recipe.train.seed)
    return forecast(plan.project.root, plan.base.folder, plan.recipe, work, peak_tflops, price_per_hour)


def _ranks() -> Ranks:
    from kit.train.distributed.ranks import start_ranks

    return start_ranks()


def _run(plan: Plan, resume: bool) -> Run:
    from kit.project.runs import new_run, unfinished_run

    if resume:
        return unfinished_run(plan.project.root, plan.recipe, plan.data.digest)
    return new_run(plan.project.root, plan.recipe, plan.data.digest, plan.profile)


def _train(output: Output, plan: Plan, run: Run, resume: bool, threads: int | None) -> Trained:
    from kit.cli.progress import TrainingLine
    from kit.train.loop import train

    with TrainingLine(output) as line:
        return train(training_job(plan, run.folder, resume, threads), scorer_of(plan), line.report)


def training_job(plan: Plan, folder: Path, resume: bool, threads: int | None) -> TrainJob:
    """Return the job of a plan, in a folder."""
    from kit.train.job import TrainJob

    return TrainJob(
        base=plan.base,
        dtype=plan.recipe.base.dtype,
        section=plan.recipe.train,
        rows=plan.data.rows,
        validation=plan.data.validation,
        pad_id=plan.renderer.pad_id,
        folder=folder,
        metric=plan.data.metric,
        higher_is_better=plan.data.higher_is_better,
        resume=resume,
        threads=threads,
        mixture=plan.data.mixture,
        reference=plan.data.reference,
    )


def scorer_of(plan: Plan) -> Scorer:
    """Return what measures a half-trained model: the tasks' own metrics on the validation examples."""
    from kit.cli.training_data import scorer

    return scorer(plan.data, plan.recipe, plan.renderer)


def _build(output: Output, plan: Plan, run: Run, trained: Trained) -> Bundle:
    from kit.bundle.build import BuildPlan, build_bundle
    from kit.bundle.store import Store
    from kit.cli.progress import TrainingLine
    from kit.cli.training_data import record_of
    from kit.project.project import first_requests

    build = BuildPlan(
        recipe=plan.recipe,
        base=plan.base,
        adapter=trained.adapter,
        project=plan.project.root,
        rows=[row.ids for row in plan.data.validation],
        dialogues=_dialogues(plan),
        data_digest=plan.data.digest,
        trained=_facts(run, trained),
        record=record_of(plan.project, plan.recipe, plan.data.tasks),
        requests=first_requests(plan.data.tasks),
    )
    with TrainingLine(output) as line:
        return build_bundle(build, Store(plan.project.root), line.phase)


def _dialogues(plan: Plan) -> Sequence[Sequence[Message]]:
    """Return what the golden renders are made of: real prompts, and dialogues that go wrong where renderers differ."""
    from kit.bundle.golden import dialogues_of
    from kit.cli.training_data import interleaved

    prompts = interleaved(
        [prompt for each in data.examples("validation")[:4] for prompt in data.task.prompts(each.request)]
        for data in plan.data.tasks
    )
    return dialogues_of([prompt.messages for prompt in prompts if prompt.messages], plan.renderer)


def _facts(run: Run, trained: Trained) -> dict[str, Any]:
    return {
        "run": run.id,
        "step": trained.step,
        "score": trained.score,
        "validation_loss": trained.validation_loss,
        "tokens": trained.tokens,
        "seconds": round(trained.seconds, 1),
    }


def _scores(trained: Trained) -> dict[str, Any]:
    """Every figure of the checkpoint that was chosen."""
    return {"scores": next((dict(made.scores or {}) for made in trained.history if made.step == trained.step), {})}


def _score(trained: Trained) -> str:
    return "" if trained.score is None else f", score {trained.score:.3f}"
