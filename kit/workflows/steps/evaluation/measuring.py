"""Evaluates a bundle: checks as much as possible before the engine starts, asks it, and has the reports written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from kit.bundle.store import Bundle, Store
from kit.bundle.training_record import read_trained
from kit.bundle.verify import verify_files, verify_fingerprints
from kit.data.split import limited
from kit.engines import Kind, check_installed, make_engine
from kit.engines.answerer import Answerer, SamplingDefaults
from kit.engines.base import Capabilities, Engine
from kit.errors import InputError, Interrupted, SigTerm, Terminated
from kit.evals.data_gates import leak_gate, with_data_gates
from kit.evals.figures import read_figures
from kit.evals.gates import thresholds_by_task
from kit.evals.measure import BASE, TUNED, measure, measure_baseline
from kit.evals.report import TaskReport, report_on
from kit.evals.run import Evaluation
from kit.evals.saved import Answers, open_answers
from kit.project.project import AnyExample, Data, Project, data_of
from kit.recipe import EvalSection
from kit.recipe.validation import dotted, problems_of
from kit.system.coroutines import run_to_end
from kit.task import ClassicalBaseline
from kit.workflows.evaluation import EvaluationPlan, EvaluationResult
from kit.workflows.events import Note, Report
from kit.workflows.steps.engines import adapter_name, engine_config, engine_kind, running, sealed_base
from kit.workflows.steps.evaluation.files import Place, write_result
from kit.workflows.steps.evaluation.progress import ColumnProgress


@dataclass(frozen=True)
class Prepared:
    """A bundle with verified files, and the project's test examples, checked against this bundle.

    `ref` is what the user called the bundle; `base` is the folder of the base, where the user gave one. `apart` is the
    file of examples that are measured instead of the test examples, if any: that attests nothing.
    """

    project: Project
    bundle: Bundle
    settings: EvalSection
    data: tuple[Data, ...]
    with_base: bool
    ref: str
    base: Path | None
    apart: Path | None = None

    def examples(self, data: Data, who: str) -> list[AnyExample]:
        """Return the test examples for one model: all, or for the base only the first ones if the user set a limit."""
        return limited(data.examples("test"), self.settings.base_limit if who == BASE else None)

    def count(self, who: str) -> int:
        """Return the number of test examples for one model, of all tasks."""
        return sum(len(self.examples(data, who)) for data in self.data)

    @property
    def kind(self) -> Kind:
        """The engine that answers."""
        return engine_kind([self.bundle], self.settings.engine)


def prepare(
    root: Path,
    ref: str,
    asked: Mapping[str, Any],
    with_base: bool,
    base: Path | None = None,
    apart: Path | None = None,
) -> Prepared:
    """Verify a bundle's files and the test examples. Raises InputError with all of their problems, or Refused."""
    project = Project.find(root)
    bundle = Store(project.root).get(ref)
    verify_files(bundle)
    settings = _settings(bundle.recipe.eval, {key: value for key, value in asked.items() if value is not None})
    recipe = bundle.recipe.model_copy(update={"eval": settings})
    found = tuple(data_of(project.root, recipe, bundle.tasks()))
    if apart is not None:
        found = (_of_file(found, apart),)
    for data in found:
        data.require_measurable(bundle.renderer())
    return Prepared(project, bundle, settings, found, with_base, ref, base, apart)


def _of_file(found: Sequence[Data], file: Path) -> Data:
    """Return the data of the only task, with this file in place of its test file."""
    if len(found) > 1:
        raise InputError("The bundle has several tasks, and a file has the examples of one.", "data", "Leave it out.")
    (data,) = found
    return replace(data, own=data.settings.model_copy(update={"test": str(file.absolute())}))


def _settings(sealed: EvalSection, asked: Mapping[str, Any]) -> EvalSection:
    try:
        return EvalSection.model_validate({**sealed.model_dump(), **asked})
    except ValidationError as error:
        raise InputError(problems_of(error, EvalSection, dotted)) from None


def plan_of(prepared: Prepared) -> EvaluationPlan:
    """Return what the evaluation would do, in plain values, once its engine and its base are found to be here."""
    check_installed(prepared.kind)
    if prepared.with_base or prepared.bundle.seal.form == "adapter":
        sealed_base(prepared.bundle, prepared.project.root, prepared.base)
    of_base = prepared.count(BASE) if prepared.with_base else 0
    return EvaluationPlan(prepared.bundle.digest, prepared.kind, prepared.count(TUNED), of_base)


def perform(
    prepared: Prepared, page: Path | None, block: str | None, restart: bool, report: Report
) -> EvaluationResult:
    """Ask the examples without a saved answer, judge the gates, and write the attestation, the report and the page."""
    if page and prepared.apart:
        raise InputError("A page shows the figures of the test examples only.", "page", "Leave out page or data.")
    place = Place(page, block or prepared.bundle.seal.name) if page else None
    if place is not None:
        read_figures(place.page, place.block)  # refuses a page without the marks before anything is measured
    root = prepared.project.root
    if prepared.apart:
        _report_trained(prepared, report)
    named = str(prepared.apart or "")
    with open_answers(root, prepared.bundle.digest, prepared.kind, restart, named) as answers:
        _report_saved(answers, root, report)
        with _stopped(answers, prepared.ref):
            reports, capabilities = run_to_end(_measured(prepared, answers, report))
        judged = [_judged(prepared, *pair) for pair in zip(prepared.data, reports, strict=True)]
        tests = [example for data in prepared.data for example in data.examples("test")]
        return write_result(root, prepared.bundle, answers, judged, capabilities, tests, place, named)


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
    base: list[Evaluation] | list[None] = [None] * len(prepared.data)
    async with running(make_engine(prepared.kind, config)) as engine:
        await verify_fingerprints(bundle.seal, engine, adapter_name(bundle))
        tuned = await _column(prepared, answers, report, engine, adapter_name(bundle), TUNED)
        if prepared.with_base and shared:
            base = await _column(prepared, answers, report, engine, None, BASE)
        capabilities = engine.capabilities
    if prepared.with_base and not shared:
        config = replace(config, model=sealed_base(bundle, prepared.project.root, prepared.base).folder)
        async with running(make_engine(prepared.settings.engine, config)) as engine:
            base = await _column(prepared, answers, report, engine, None, BASE)
    columns = zip(prepared.data, tuned, base, limits.values(), strict=True)
    return [_compared(prepared.settings, answers, report, *each) for each in columns], capabilities


async def _column(
    prepared: Prepared, answers: Answers, report: Report, engine: Engine, adapter: str | None, who: str
) -> list[Evaluation]:
    """Ask one model the examples of every task."""
    defaults = SamplingDefaults(**prepared.bundle.seal.sampling.model_dump())
    renderer, heard = prepared.bundle.renderer(), ColumnProgress(report, who, prepared.count(who))
    return [
        await measure(
            answers,
            Answerer(data.task, renderer, engine, adapter, defaults),
            who,
            prepared.examples(data, who),
            heard,
        )
        for data in prepared.data
    ]


def _compared(
    settings: EvalSection,
    answers: Answers,
    report: Report,
    data: Data,
    tuned: Evaluation,
    base: Evaluation | None,
    thresholds: Mapping[str, float],
) -> TaskReport:
    task = data.task
    if isinstance(task, ClassicalBaseline):
        report(Note(f"Scoring {task.baseline_name}"))
    test = data.examples("test")
    baseline = measure_baseline(answers, task, partial(data.examples, "train"), test)
    tags = {example.id: example.tags for example in test}
    return report_on(task, settings, tuned, base, baseline, thresholds, tags=tags)
