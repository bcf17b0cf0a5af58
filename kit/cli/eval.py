"""`kit eval`: measure a bundle against its base and a classical baseline, and attest what was seen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kit.cli.output import Output, kit_command
from kit.errors import Exit

if TYPE_CHECKING:
    from kit.bundle.store import Bundle
    from kit.engines import Kind
    from kit.engines.base import Capabilities
    from kit.evals.report import TaskReport
    from kit.evals.run import Evaluation
    from kit.evals.saved import Answers
    from kit.project.project import Data, Project
    from kit.recipe import EvalSection


@dataclass(frozen=True)
class Plan:
    """What is to be measured: a bundle, on the project's own test examples, by one engine.

    `with_base` says whether the base is measured too; `ref` is what the user called the bundle.
    """

    project: Project
    bundle: Bundle
    settings: EvalSection
    data: tuple[Data, ...]
    with_base: bool
    ref: str
    base: Path | None = None

    def examples(self, data: Data, who: str) -> list[Any]:
        """Return the test examples that a column is asked: all of them, or of the base a sample."""
        from kit.data.split import limited
        from kit.evals.measure import BASE

        return limited(data.examples("test"), self.settings.base_limit if who == BASE else None)

    @property
    def kind(self) -> Kind:
        """The engine that answers."""
        from kit.cli.wiring import engine_kind

        return engine_kind([self.bundle], self.settings.engine)


@kit_command("eval", "kit eval --base-limit 20   # the newest bundle; its base on 20 of the test examples")
@click.argument("bundle", default="latest")
@click.option("--engine", type=click.Choice(["local", "vllm"]), help="What generates; default: the bundle's recipe.")
@click.option("--base", type=click.Path(path_type=Path), help="The base model's folder, if it has moved.")
@click.option("--limit", type=click.IntRange(min=1), help="Score at most this many test examples.")
@click.option("--base-limit", type=click.IntRange(min=1), help="Ask the base at most this many of them.")
@click.option("--no-base", is_flag=True, help="Leave the base out; what is judged against it is not measured.")
@click.option("--restart", is_flag=True, help="Ask everything again, and do not continue an interrupted evaluation.")
@click.option("--page", type=click.Path(dir_okay=False, path_type=Path), help="Write the table into this page.")
@click.option("--block", help="Name of the place in the page; default: the bundle's name.")
@click.option("--dry-run", is_flag=True, help="Say what would be measured.")
def command(
    output: Output,
    bundle: str,
    engine: str | None,
    base: Path | None,
    limit: int | None,
    base_limit: int | None,
    no_base: bool,
    restart: bool,
    page: Path | None,
    block: str | None,
    dry_run: bool,
) -> int:
    """Measure BUNDLE: base and tuned model and a classical baseline, side by side, and what got worse.

    Every answer is saved as it is made, under evaluations/. After Ctrl-C, the same command continues where it was.
    The result is attested beside the bundle, and decides where it may be served. Exit 4: a gate failed; 3: something
    could not be measured.
    """
    plan = _plan(bundle, {"engine": engine, "limit": limit, "base_limit": base_limit}, not no_base)
    plan = replace(plan, base=base)
    if dry_run:
        output.result(*_dry(plan))
        return 0
    place = (page, block or plan.bundle.seal.name) if page is not None else None
    if place is not None:
        from kit.evals.figures import read_figures

        read_figures(*place)  # a page without the place is said before anything is measured
    return _measure(output, plan, place, restart)


def _plan(ref: str, asked: dict[str, Any], with_base: bool) -> Plan:
    from kit.bundle.store import Store
    from kit.bundle.verify import verify_files
    from kit.project.project import Project, data_of

    project = Project.find()
    bundle = Store(project.root).get(ref)
    verify_files(bundle)
    settings = bundle.recipe.eval.model_copy(update={key: value for key, value in asked.items() if value is not None})
    recipe = bundle.recipe.model_copy(update={"eval": settings})
    found = tuple(data_of(project.root, recipe, bundle.tasks()))
    for data in found:
        data.require_measurable(bundle.renderer())
    return Plan(project, bundle, settings, found, with_base, ref)


def _dry(plan: Plan) -> tuple[dict[str, Any], str]:
    from kit.evals.measure import BASE, TUNED

    count, of_base = (sum(len(plan.examples(data, who)) for data in plan.data) for who in (TUNED, BASE))
    short = plan.bundle.digest[:12]
    base = f"its base with {of_base}" if plan.with_base else "without its base"
    data = {
        "bundle": plan.bundle.digest,
        "engine": plan.settings.engine,
        "examples": count,
        "base_examples": of_base if plan.with_base else 0,
    }
    return data, f"Would score {short} with {count} examples, and {base}, on {plan.settings.engine}."


def _measure(output: Output, plan: Plan, place: tuple[Path, str] | None, restart: bool) -> int:
    import asyncio

    from kit.cli.evaluated import show
    from kit.cli.keeping import keep, stopped
    from kit.evals.gates import exit_code
    from kit.evals.saved import open_answers

    with open_answers(plan.project.root, plan.bundle.digest, plan.kind, restart) as answers:
        if answers.passed_over:
            output.say(answers.passed_over)
        found = f"Continuing: {answers.found} answers were saved" if answers.found else "Every answer is saved"
        output.say(f"{found} in {answers.file.relative_to(plan.project.root)}")
        with stopped(answers, plan.ref):
            reports, capabilities = asyncio.run(_reported(output, plan, answers))
        reports = _with_data_gates(plan, reports)
        kept = keep(plan, answers, reports, capabilities, place)
    show(output, plan, reports, kept)
    gates = [gate for report in reports for gate in report.gates]
    return Exit.BROKE if kept.problems else exit_code(gates)


def _with_data_gates(plan: Plan, reports: list[TaskReport]) -> list[TaskReport]:
    from kit.bundle.trained import read_trained
    from kit.evals.leaks import with_data_gates

    record, waived = read_trained(plan.bundle.folder), plan.settings.untested_labels
    return [
        with_data_gates(report, data.task, data.examples("test"), data.places("test"), record, waived)
        for data, report in zip(plan.data, reports, strict=True)
    ]


async def _reported(output: Output, plan: Plan, answers: Answers) -> tuple[list[TaskReport], Capabilities]:
    from kit.cli.wiring import adapter_name, engine_config, running, sealed_base
    from kit.engines import make_engine
    from kit.evals.gates import thresholds_by_task
    from kit.evals.measure import BASE, TUNED, measure_baseline
    from kit.evals.report import report_on
    from kit.task import ClassicalBaseline

    thresholds = thresholds_by_task(plan.settings.gates, [data.task.name for data in plan.data])
    config = engine_config([plan.bundle], plan.project.root, base=plan.base)
    shared = plan.bundle.seal.form == "adapter"
    base: list[Evaluation] | list[None] = [None] * len(plan.data)
    async with running(make_engine(plan.kind, config)) as engine:
        tuned = await _scored(output, plan, answers, engine, adapter_name(plan.bundle), TUNED)
        if plan.with_base and shared:
            base = await _scored(output, plan, answers, engine, None, BASE)
        capabilities = engine.capabilities
    if plan.with_base and not shared:
        base_config = replace(config, model=sealed_base(plan.bundle, plan.project.root, plan.base).folder)
        async with running(make_engine(plan.settings.engine, base_config)) as engine:
            base = await _scored(output, plan, answers, engine, None, BASE)
    reports = []
    for data, mine, theirs in zip(plan.data, tuned, base, strict=True):
        if isinstance(data.task, ClassicalBaseline):
            output.say(f"Scoring {data.task.baseline_name}")
        baseline = measure_baseline(answers, data.task, partial(data.examples, "train"), data.examples("test"))
        limits = thresholds[data.task.name]
        reports.append(report_on(data.task, plan.settings, mine, theirs, baseline, limits))
    return reports, capabilities


async def _scored(
    output: Output, plan: Plan, answers: Answers, engine: Any, adapter: str | None, who: str
) -> list[Evaluation]:
    from kit.bundle.verify import verify_fingerprints
    from kit.cli.keeping import column
    from kit.engines.answerer import Answerer
    from kit.evals.measure import TUNED, measure

    if who == TUNED:
        await verify_fingerprints(plan.bundle.seal, engine, adapter)
    defaults = plan.bundle.seal.sampling
    renderer = plan.bundle.renderer()
    asked = [(data.task, plan.examples(data, who)) for data in plan.data]
    with column(output, who, sum(len(examples) for _, examples in asked)) as heard:
        return [
            await measure(answers, Answerer(task, renderer, engine, adapter, defaults), who, examples, heard)
            for task, examples in asked
        ]
