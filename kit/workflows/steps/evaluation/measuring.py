"""Evaluates a bundle: asks the models and the classical method, judges the gates, and has the reports written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from kit.bundle.training_record import read_trained
from kit.bundle.verify import verify_fingerprints
from kit.engines import make_engine
from kit.engines.base import Capabilities
from kit.errors import InputError, Interrupted, SigTerm, Terminated
from kit.evals.data_gates import leak_gate, with_data_gates
from kit.evals.gates import thresholds_by_task
from kit.evals.measure import TUNED, measure_baseline
from kit.evals.report import TaskReport, report_on
from kit.evals.run import Evaluation
from kit.evals.saved import Answers, open_answers
from kit.project.project import Data
from kit.recipe import EvalSection
from kit.system.coroutines import run_to_end
from kit.task import ClassicalBaseline
from kit.workflows.evaluation import EvaluationResult
from kit.workflows.events import Note, Report
from kit.workflows.steps.engines import adapter_name, engine_config, running, sealed_base
from kit.workflows.steps.evaluation.columns import OfBase, ask_base, ask_tuned
from kit.workflows.steps.evaluation.files import places_of, write_result
from kit.workflows.steps.evaluation.prepared import Prepared


def perform(
    prepared: Prepared, pages: Sequence[Path], block: str | None, restart: bool, report: Report
) -> EvaluationResult:
    """Ask the examples without a saved answer, judge the gates, and write the attestation, the report and the pages."""
    if pages and prepared.apart:
        raise InputError("A page shows the figures of the test examples only.", "page", "Leave out page or data.")
    places = places_of(pages, block or prepared.bundle.seal.name)  # refuses a page without marks before it measures
    root, named = prepared.project.root, str(prepared.apart or "")
    if prepared.apart:
        _report_trained(prepared, report)
    with open_answers(root, prepared.bundle.digest, prepared.kind, restart, named) as answers:
        _report_saved(answers, root, report)
        with _stopped(answers, prepared.ref):
            reports, capabilities = run_to_end(_measured(prepared, answers, report))
        judged = [_judged(prepared, *pair) for pair in zip(prepared.data, reports, strict=True)]
        tests = [example for data in prepared.data for example in data.examples("test")]
        return write_result(root, prepared.bundle, answers, judged, capabilities, tests, places, named)


def _report_trained(prepared: Prepared, report: Report) -> None:
    """Say how many of the examples that are measured apart the bundle was made of."""
    record, (data,) = read_trained(prepared.bundle.folder), prepared.data
    trained = record.tasks.get(data.task.name) if record is not None else None
    gate = leak_gate(data.examples("test"), {}, trained)
    if gate.outcome == "failed":
        count = f"{int(gate.value or 0)} of the {prepared.count(TUNED)} examples"
        report(Note(f"{count} were trained on or chose the checkpoint: with new ones, fewer answers are right."))


def _report_saved(answers: Answers, root: Path, report: Report) -> None:
    if answers.passed_over:
        report(Note(answers.passed_over))
    found = f"Continuing: {answers.found} answers were saved" if answers.found else "Every answer is saved"
    report(Note(f"{found} in {answers.file.relative_to(root)}"))


@contextmanager
def _stopped(answers: Answers, ref: str) -> Iterator[None]:
    """Turn Ctrl-C and SIGTERM into an error that says what is saved and how to continue."""
    advice = f"Continue with: kit eval{'' if ref == 'latest' else f' {ref}'}, and the options that you gave."
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(_saved("Interrupted", answers), next=advice) from None
    except SigTerm:
        raise Terminated(_saved("Terminated", answers), next=advice) from None


def _saved(what: str, answers: Answers) -> str:
    if answers.fault:
        return f"{what}. Not every answer was saved: {answers.fault}."
    return f"{what}. {len(answers)} answers are saved in {answers.file}."


def _judged(prepared: Prepared, data: Data, report: TaskReport) -> TaskReport:
    """Return a report with the gates on its test examples; without any gate if it is not of the test examples."""
    if prepared.apart:
        return replace(report, gates=())
    record, waived = read_trained(prepared.bundle.folder), prepared.settings.untested_labels
    return with_data_gates(report, data.task, data.examples("test"), data.places("test"), record, waived)


async def _measured(prepared: Prepared, answers: Answers, report: Report) -> tuple[list[TaskReport], Capabilities]:
    """Measure tuned model, base and classical baseline, and compare them. An adapter's base shares its engine."""
    bundle, tasks = prepared.bundle, [data.task.name for data in prepared.data]
    limits = thresholds_by_task(
        prepared.settings.gates, tasks
    )  # refuses a gate that belongs to no task, before any example is asked
    config = engine_config([bundle], prepared.project.root, base=prepared.base)
    shared = bundle.seal.form == "adapter"
    base = [OfBase()] * len(prepared.data)
    async with running(make_engine(prepared.kind, config)) as engine:
        await verify_fingerprints(bundle.seal, engine, adapter_name(bundle))
        tuned = await ask_tuned(prepared, answers, report, engine)
        if prepared.with_base and shared:
            base = await ask_base(prepared, answers, report, engine)
        capabilities = engine.capabilities
    if prepared.with_base and not shared:
        config = replace(config, model=sealed_base(bundle, prepared.project.root, prepared.base).folder)
        async with running(make_engine(prepared.settings.engine, config)) as engine:
            base = await ask_base(prepared, answers, report, engine)
    columns = zip(prepared.data, tuned, base, limits.values(), strict=True)
    return [_compared(prepared.settings, answers, report, *each) for each in columns], capabilities


def _compared(
    settings: EvalSection,
    answers: Answers,
    report: Report,
    data: Data,
    tuned: Evaluation,
    base: OfBase,
    thresholds: Mapping[str, float],
) -> TaskReport:
    task = data.task
    if isinstance(task, ClassicalBaseline):
        report(Note(f"Scoring {task.baseline_name}"))
    test = data.examples("test")
    baseline = measure_baseline(answers, task, partial(data.examples, "train"), test)
    tags = {example.id: example.tags for example in test}
    columns = (tuned, base.plain, baseline)
    return report_on(task, settings, *columns, thresholds, tags=tags, few_shot=base.few_shot, shots=base.shots)
