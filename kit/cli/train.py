"""`kit train`: tune the base on the project's examples, and end with a bundle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from kit.cli.output import Output, kit_command, table

if TYPE_CHECKING:
    from kit.base import Base
    from kit.bundle.store import Bundle
    from kit.chat import Renderer
    from kit.cli.training_data import TrainingData
    from kit.project import Project
    from kit.recipe import Recipe
    from kit.runs import Run
    from kit.task import Message
    from kit.train.job import Trained


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
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads; default: one per core.")
@click.option("--dry-run", is_flag=True, help="Print the plan, and train nothing.")
def command(output: Output, profile: str | None, resume: bool, threads: int | None, dry_run: bool) -> None:
    """Train, choose the best checkpoint by the task's own metric, and build a sealed bundle.

    Ctrl-C saves a checkpoint first; --resume goes on from it as if nothing had happened.
    """
    plan = _plan(profile)
    for dropped in plan.data.dropped:
        output.say(f"Left out: example '{dropped.example}' makes a row of {dropped.tokens} tokens.")
    if dry_run:
        from kit.train.plan import make_plan

        made = make_plan(plan.data.rows, plan.recipe.train, plan.data.mixture)
        shares = {f"share_of_{name}": round(share, 4) for name, share in plan.data.shares().items()}
        summary = {**made.summary(), **shares}
        output.result(summary, table(("plan", ""), [(name, str(value)) for name, value in summary.items()]))
        return
    run = _run(plan, resume)
    output.say(f"Run {run.id}: {len(plan.data.rows)} rows, base {plan.base.name}.")
    with run.working():
        trained = _train(output, plan, run, resume, threads)
        output.say(f"Best: step {trained.step}{_score(trained)}. Building the bundle.")
        bundle = _build(plan, run, trained)
        run.finish({**_facts(run, trained), **_scores(trained), "bundle": bundle.digest})
    data = {**_facts(run, trained), **_scores(trained), "bundle": bundle.digest, "folder": str(bundle.folder)}
    output.result(data, f"Bundle {bundle.digest[:12]} in {bundle.folder}\nNext: kit eval")


def _plan(profile: str | None) -> Plan:
    from kit.cli.training_data import gather
    from kit.project import Project

    project = Project.find()
    recipe = project.recipe(profile)
    base, renderer = project.base(recipe), project.renderer(recipe)
    return Plan(project, recipe, profile, gather(project, recipe, renderer), base, renderer)


def _run(plan: Plan, resume: bool) -> Run:
    from kit.runs import new_run, unfinished_run

    if resume:
        return unfinished_run(plan.project.root, plan.recipe, plan.data.digest)
    return new_run(plan.project.root, plan.recipe, plan.data.digest, plan.profile)


def _train(output: Output, plan: Plan, run: Run, resume: bool, threads: int | None) -> Trained:
    from kit.cli.progress import TrainingLine
    from kit.cli.training_data import scorer
    from kit.train.job import TrainJob
    from kit.train.loop import train

    job = TrainJob(
        base=plan.base,
        dtype=plan.recipe.base.dtype,
        section=plan.recipe.train,
        rows=plan.data.rows,
        validation=plan.data.validation,
        pad_id=plan.renderer.pad_id,
        folder=run.folder,
        metric=plan.data.metric,
        higher_is_better=plan.data.higher_is_better,
        resume=resume,
        threads=threads,
        mixture=plan.data.mixture,
        reference=plan.data.reference,
    )
    with TrainingLine(output) as line:
        return train(job, scorer(plan.data, plan.recipe, plan.renderer), line.report)


def _build(plan: Plan, run: Run, trained: Trained) -> Bundle:
    from kit.bundle.build import BuildPlan, build_bundle
    from kit.bundle.store import Store

    build = BuildPlan(
        recipe=plan.recipe,
        base=plan.base,
        adapter=trained.adapter,
        project=plan.project.root,
        rows=[row.ids for row in plan.data.validation],
        dialogues=_dialogues(plan),
        data_digest=plan.data.digest,
        trained=_facts(run, trained),
    )
    return build_bundle(build, Store(plan.project.root))


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
