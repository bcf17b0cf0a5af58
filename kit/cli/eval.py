"""`kit eval`: measure a bundle against its base and a classical baseline, and attest what was seen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kit.cli.output import Output, kit_command, table

if TYPE_CHECKING:
    from kit.bundle.store import Bundle
    from kit.engines.base import Capabilities
    from kit.evals.report import TaskReport
    from kit.evals.run import Evaluation
    from kit.project import Data, Project
    from kit.recipe import EvalSection


@dataclass(frozen=True)
class Plan:
    """What is to be measured: a bundle, on the project's own test examples, by one engine."""

    project: Project
    bundle: Bundle
    settings: EvalSection
    data: tuple[Data, ...]

    def count(self) -> int:
        """Number of test examples of all tasks."""
        return sum(len(data.examples("test")) for data in self.data)


@kit_command("eval", "kit eval                # the newest bundle, on data/test.jsonl")
@click.argument("bundle", default="latest")
@click.option("--engine", type=click.Choice(["local", "vllm"]), help="What generates; default: the bundle's recipe.")
@click.option("--limit", type=click.IntRange(min=1), help="Score at most this many test examples.")
@click.option("--page", type=click.Path(dir_okay=False, path_type=Path), help="Write the table into this page.")
@click.option("--block", help="Name of the place in the page; default: the bundle's name.")
@click.option("--dry-run", is_flag=True, help="Say what would be measured.")
def command(
    output: Output,
    bundle: str,
    engine: str | None,
    limit: int | None,
    page: Path | None,
    block: str | None,
    dry_run: bool,
) -> int:
    """Measure BUNDLE: base and tuned model and a classical baseline, side by side, and what got worse.

    The result is attested beside the bundle, and decides where it may be served. Exit 4: a gate failed; 3: something
    could not be measured.
    """
    plan = _plan(bundle, engine, limit)
    if dry_run:
        count = plan.count()
        data = {"bundle": plan.bundle.digest, "engine": plan.settings.engine, "examples": count}
        output.result(
            data, f"Would score {count} examples with {plan.bundle.digest[:12]} and its base on {data['engine']}."
        )
        return 0
    return _measure(output, plan, page, block or plan.bundle.seal.name)


def _plan(ref: str, engine: str | None, limit: int | None) -> Plan:
    from kit.bundle.store import Store
    from kit.bundle.verify import verify_files
    from kit.project import Project, data_of

    project = Project.find()
    bundle = Store(project.root).get(ref)
    verify_files(bundle)
    asked = {key: value for key, value in {"engine": engine, "limit": limit}.items() if value is not None}
    settings = bundle.recipe.eval.model_copy(update=asked)
    recipe = bundle.recipe.model_copy(update={"eval": settings})
    found = tuple(data_of(project.root, recipe, bundle.tasks()))
    for data in found:
        data.require_measurable(bundle.renderer())
    return Plan(project, bundle, settings, found)


def _measure(output: Output, plan: Plan, page: Path | None, block: str) -> int:
    import asyncio

    from kit.bundle.store import Store
    from kit.data.split import data_digest
    from kit.evals.gates import exit_code
    from kit.evals.report import attestation

    reports, capabilities = asyncio.run(_reported(output, plan))
    reports = _with_data_gates(plan, reports)
    tested = data_digest(example for data in plan.data for example in data.examples("test"))
    payload = attestation(plan.bundle.digest, reports, capabilities, tested)
    attested = Store(plan.project.root).attest(plan.bundle.digest, "evaluation", payload)
    if page is not None:
        _write_page(page, block, plan, reports, payload)
    output.result({**payload, "attestation": attested.file_name}, _texts(reports))
    return exit_code([gate for report in reports for gate in report.gates])


def _with_data_gates(plan: Plan, reports: list[TaskReport]) -> list[TaskReport]:
    from kit.bundle.trained import read_trained
    from kit.evals.leaks import with_data_gates

    record, waived = read_trained(plan.bundle.folder), plan.settings.untested_labels
    return [
        with_data_gates(report, data.task, data.examples("test"), data.places("test"), record, waived)
        for data, report in zip(plan.data, reports, strict=True)
    ]


async def _reported(output: Output, plan: Plan) -> tuple[list[TaskReport], Capabilities]:
    from kit.cli.wiring import adapter_name, engine_config, engine_kind, running, sealed_base
    from kit.engines import make_engine
    from kit.evals.gates import thresholds_by_task
    from kit.evals.report import report_on

    thresholds = thresholds_by_task(plan.settings.gates, [data.task.name for data in plan.data])
    config = engine_config([plan.bundle], plan.project.root)
    base_config = replace(config, model=sealed_base(plan.bundle, plan.project.root).folder)
    shared = plan.bundle.seal.form == "adapter"
    async with running(make_engine(engine_kind([plan.bundle], plan.settings.engine), config)) as engine:
        tuned = await _scored(output, plan, engine, adapter_name(plan.bundle), "tuned")
        base = await _scored(output, plan, engine, None, "base") if shared else None
        capabilities = engine.capabilities
    if base is None:
        async with running(make_engine(plan.settings.engine, base_config)) as engine:
            base = await _scored(output, plan, engine, None, "base")
    return [
        report_on(data.task, plan.settings, mine, theirs, _baseline(output, data), thresholds[data.task.name])
        for data, mine, theirs in zip(plan.data, tuned, base, strict=True)
    ], capabilities


async def _scored(output: Output, plan: Plan, engine: Any, adapter: str | None, who: str) -> list[Evaluation]:
    from kit.answer import Answerer, SamplingDefaults
    from kit.bundle.verify import verify_fingerprints
    from kit.cli.progress import counted
    from kit.evals.run import evaluate

    if who == "tuned":
        await verify_fingerprints(plan.bundle.seal, engine, adapter)
    defaults = SamplingDefaults(**plan.bundle.seal.sampling.model_dump())
    renderer = plan.bundle.renderer()
    with counted(output, f"Scoring {who}", plan.count()) as step:
        return [
            await evaluate(
                Answerer(data.task, renderer, engine, adapter, defaults),
                data.examples("test"),
                progress=lambda _: step(),
            )
            for data in plan.data
        ]


def _baseline(output: Output, data: Data) -> Evaluation | None:
    """Score the classical baseline, where the task has one; it learns from the training examples."""
    from kit.evals.run import evaluate_predictor
    from kit.task import ClassicalBaseline

    task = data.task
    if not isinstance(task, ClassicalBaseline):
        return None
    output.say(f"Scoring {task.baseline_name}")
    return evaluate_predictor(task, task.fit_baseline(data.examples("train")), data.examples("test"))


def _texts(reports: list[TaskReport]) -> str:
    if len(reports) == 1:
        return _text(reports[0])
    return "\n\n".join(f"Task {report.task}\n{_text(report)}" for report in reports)


def _text(report: TaskReport) -> str:
    from kit.evals.report import asked_line, worse_line
    from kit.evals.report import table as columns

    gates = [f"gate {gate.name}: {gate.outcome} ({gate.reason})" for gate in report.gates]
    return "\n".join([table(*columns(report)), "", worse_line(report), asked_line(report), *gates])


def _write_page(page: Path, block: str, plan: Plan, reports: list[TaskReport], payload: dict[str, Any]) -> None:
    from kit.evals.figures import write_figures
    from kit.evals.report import markdown
    from kit.machine import describe

    saw = f"Base: {plan.bundle.seal.base.model}. Engine: {payload['engine']['name']}."
    measured = describe(payload["machine"], payload["versions"])
    tables = (
        [markdown(reports[0])] if len(reports) == 1 else [f"### {each.task}\n\n{markdown(each)}" for each in reports]
    )
    write_figures(page, block, "\n\n".join([*tables, saw, measured]))
