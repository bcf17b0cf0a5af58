"""`kit train`: tune the base on the project's examples, and end with a bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from kit.cli.output import Output, kit_command, table

if TYPE_CHECKING:
    from kit.base import Base
    from kit.bundle.store import Bundle
    from kit.chat import Renderer
    from kit.data.rows import Rows
    from kit.project import Data, Project
    from kit.recipe import Recipe
    from kit.runs import Run
    from kit.task import Message
    from kit.train.job import Scorer, Trained
    from kit.train.sharing import Sharing


@dataclass(frozen=True)
class Plan:
    """What is to be trained, on what."""

    project: Project
    recipe: Recipe
    profile: str | None
    data: Data
    base: Base
    renderer: Renderer
    rows: Rows
    validation: Rows

    def data_digest(self) -> str:
        """SHA-256 of the examples that training sees, those that choose the checkpoint included."""
        from kit.data.split import data_digest

        return data_digest([*self.data.examples("train"), *self.data.examples("validation")])


@kit_command("train", "kit train --profile smoke")
@click.option("--profile", help="A profile of the recipe.")
@click.option("--resume", is_flag=True, help="Go on with the last unfinished run of this recipe and data.")
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads; default: one per core.")
@click.option("--dry-run", is_flag=True, help="Print the plan, and train nothing.")
def command(output: Output, profile: str | None, resume: bool, threads: int | None, dry_run: bool) -> None:
    """Train, choose the best checkpoint by the task's own metric, and build a sealed bundle.

    Ctrl-C saves a checkpoint first; --resume goes on from it as if nothing had happened.
    """
    plan = _plan(output, profile)
    for dropped in [*plan.rows.dropped, *plan.validation.dropped]:
        output.say(f"Left out: example '{dropped.example}' makes a row of {dropped.tokens} tokens.")
    if dry_run:
        from kit.train.plan import make_plan

        summary = make_plan(plan.rows.rows, plan.recipe.train, sharing=_sharing(plan)).summary()
        output.result(summary, table(("plan", ""), [(name, str(value)) for name, value in summary.items()]))
        return
    run = _run(plan, resume)
    output.say(f"Run {run.id}: {len(plan.rows.rows)} rows, base {plan.base.name}.")
    with run.working():
        trained = _train(output, plan, run, resume, threads)
        output.say(f"Best: step {trained.step}{_score(trained)}. Building the bundle.")
        bundle = _build(plan, run, trained)
        run.finish({**_facts(run, trained), "bundle": bundle.digest})
    odd = _not_applied(run)
    data = {**_facts(run, trained), "bundle": bundle.digest, "folder": str(bundle.folder), "not_as_asked": odd}
    told = [f"Not as asked: {odd}"] if odd else []
    output.result(data, "\n".join([*told, f"Bundle {bundle.digest[:12]} in {bundle.folder}", "Next: kit eval"]))


def _not_applied(run: Run) -> str:
    """Return one line on what was not applied as it was asked, or is not known to have been."""
    from kit.train.applied import read_facts, trouble

    return trouble(read_facts(run.folder) or ())


def _plan(output: Output, profile: str | None) -> Plan:
    from kit.project import Project

    project = Project.find()
    recipe = project.recipe(profile)
    _attach_first(output, project, recipe)
    data = project.data(recipe)
    base, renderer = project.base(recipe), project.renderer(recipe)
    rows, validation = data.rows(renderer, "train"), data.rows(renderer, "validation")
    return Plan(project, recipe, profile, data, base, renderer, rows, validation)


def _sharing(plan: Plan) -> Sharing:
    """Whether rows will share their prefixes, as far as it can be told without asking for the device."""
    from kit.train.sharing import sharing

    return sharing(plan.base, plan.recipe.train, [*plan.rows.rows, *plan.validation.rows])


def _attach_first(output: Output, project: Project, recipe: Recipe) -> None:
    """Attach the method to the base's bare architecture, and refuse what could not be trained or served, at once."""
    from kit.servability import refuse_unservable
    from kit.train.attachment import preview
    from kit.train.machine import training_device
    from kit.train.methods.qlora import refuse_elsewhere

    if recipe.train.method == "qlora":
        refuse_elsewhere(training_device())
    folder = project.base_config(recipe)
    found = preview(folder, recipe.train)
    output.say(f"{recipe.train.method}: {found.sentence}")
    output.say(refuse_unservable(recipe, folder, found.mergeable))


def _run(plan: Plan, resume: bool) -> Run:
    from kit.runs import new_run, unfinished_run

    if resume:
        return unfinished_run(plan.project.root, plan.recipe, plan.data_digest())
    return new_run(plan.project.root, plan.recipe, plan.data_digest(), plan.profile)


def _train(output: Output, plan: Plan, run: Run, resume: bool, threads: int | None) -> Trained:
    from kit.cli.progress import TrainingLine
    from kit.train.job import TrainJob
    from kit.train.loop import train

    task = plan.data.task
    job = TrainJob(
        base=plan.base,
        dtype=plan.recipe.base.dtype,
        section=plan.recipe.train,
        rows=plan.rows.rows,
        validation=plan.validation.rows,
        pad_id=plan.renderer.pad_id,
        folder=run.folder,
        metric=task.main_metric,
        higher_is_better=task.metrics[task.main_metric].higher_is_better,
        resume=resume,
        threads=threads,
    )
    with TrainingLine(output) as line:
        return train(job, _scorer(plan), line.report)


def _scorer(plan: Plan) -> Scorer:
    """Return what measures a half-trained model: the task's own metrics on the validation examples."""
    import asyncio

    from kit.answer import Answerer
    from kit.engines.local import LocalEngine
    from kit.evals.run import evaluate, values_of

    task, examples = plan.data.task, plan.data.examples("validation")

    async def measure(model: Any) -> Mapping[str, float | None]:
        from kit.cli.wiring import running

        engine = LocalEngine.from_model(model, plan.renderer, max_length=plan.recipe.serve.max_length)
        async with running(engine):
            return values_of(task, await evaluate(Answerer(task, plan.renderer, engine), examples))

    return lambda model: asyncio.run(measure(model))


def _build(plan: Plan, run: Run, trained: Trained) -> Bundle:
    from kit.bundle.build import BuildPlan, build_bundle
    from kit.bundle.store import Store

    build = BuildPlan(
        recipe=plan.recipe,
        base=plan.base,
        adapter=trained.adapter,
        project=plan.project.root,
        rows=[row.ids for row in plan.validation.rows],
        dialogues=_dialogues(plan),
        data_digest=plan.data_digest(),
        trained=_facts(run, trained),
    )
    return build_bundle(build, Store(plan.project.root))


def _dialogues(plan: Plan) -> Sequence[Sequence[Message]]:
    """Return what the golden renders are made of: real prompts, and dialogues that go wrong where renderers differ."""
    from kit.bundle.golden import dialogues_of

    prompts = [
        prompt for each in plan.data.examples("validation")[:4] for prompt in plan.data.task.prompts(each.request)
    ]
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


def _score(trained: Trained) -> str:
    return "" if trained.score is None else f", score {trained.score:.3f}"
