"""A thousand sampled answers of each template: what no answer may have, before and after the checker reads it.

`python -m bench sampled` measures all; `python -m bench.sampled NAME...` measures some, and keeps the figures of the
others. Each is the adapter of the smoke profile, sampled at temperature 1 on the template's test rows, again and again
with other seeds.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bench.shared.commands import kit, project
from bench.shared.harness import PAGE, Figure, Figures, publish
from bench.shared.unchecked import BELIEVED
from bench.shared.violations import RULES, Rule, Written
from kit.bundle.store import LATEST, Bundle, Store
from kit.engines import Kind, default_kind, make_engine
from kit.engines.answerer import BoundTask, SamplingDefaults, run_concurrently
from kit.engines.base import Engine, Generation
from kit.errors import InputError
from kit.evals.figures import read_figures
from kit.metrics.reductions import ratio_of
from kit.project.project import Project
from kit.task import Completion, Example, Metric, Record, ScoresNoAnswer, Task, UnreadableAnswer
from kit.workflows.steps.engines import adapter_name, engine_config, running

ANSWERS = 1000
_AT_ONCE = 48
_PROMPTS = 1000  # more than one request has; a seed for each
AnyTask = Task[Any, Any]
AnyExample = Example[Any, Any]

_TASKS = {"finance": "report"}  # of the templates with several tasks: the one that writes figures
_RECALL = ratio_of("tp", "expected")
_METRICS: Mapping[str, tuple[str, Metric | None]] = {
    "legal": ("clause recall", _RECALL),
    "finance": ("expected_figures", None),
    "brand": ("content_kept", None),
}
"""What is compared with and without the checker: a recall where the template has one, else its main metric."""

_FREER: Mapping[str, Mapping[str, Any]] = {
    "legal": {"answer": "quotes", "window": 1200, "overlap": 200, "answer_tokens": 320},
    "medical": {"write": "answer", "answer_tokens": 96},
    "support": {"reply": "written", "answer_tokens": 160},
}
"""Forms in which the model writes what the smoke profile lets it only choose. The adapter has not learned them."""


@dataclass(frozen=True)
class Sample:
    """One sampled answer: the example, what the model wrote, and the response; None if the task refused to read it."""

    example: AnyExample
    written: Written
    response: Any


def measure(names: Sequence[str] = ()) -> Figures:
    """Train the smoke profile of the named templates, or of all with rules, and count what their answers have."""
    figures: dict[str, Figure] = {}
    for name in RULES:
        if names and name not in names:
            figures |= _measured_before(name)
            continue
        with project(name) as folder:
            kit(folder, "train", "--profile", "smoke")
            figures |= measure_project(name, folder)
    return figures


def measure_project(name: str, folder: Path, answers: int = ANSWERS) -> dict[str, Figure]:
    """Sample the latest bundle of a project, in the form of its recipe and then in the freer one."""
    bundle = Store(folder).get(LATEST)
    data = next(each for each in Project(folder).all_data(bundle.recipe) if each.task.name == _task_name(name, bundle))
    forms = {name: data.task}
    if name in _FREER:
        options = type(data.task).Options.model_validate({**data.task.options.model_dump(), **_FREER[name]})
        forms[f"{name}, freer"] = type(data.task)(options)
    kind = default_kind()
    samples = asyncio.run(_sampled(bundle, folder, forms, data.examples("test"), kind, answers))
    figures: dict[str, Figure] = {}
    for form, found in samples.items():
        figures |= _figures(name, form, forms[form], found, kind)
    return figures


def _task_name(name: str, bundle: Bundle) -> str:
    return _TASKS.get(name) or bundle.tasks()[0].name


async def _sampled(
    bundle: Bundle, root: Path, forms: Mapping[str, AnyTask], examples: Sequence[AnyExample], kind: Kind, answers: int
) -> dict[str, list[Sample]]:
    """Start the engine once, and sample each form of the task on it."""
    config = engine_config([bundle], root)
    config = replace(config, max_length=2048)  # the context of nano
    defaults = SamplingDefaults(temperature=1.0)
    async with running(make_engine(kind, config)) as engine:
        bound = {
            form: BoundTask(task, bundle.renderer(), config.max_length, adapter_name(bundle), defaults)
            for form, task in forms.items()
        }
        return {form: await _answers(each, engine, examples, answers) for form, each in bound.items()}


async def _answers(bound: BoundTask, engine: Engine, examples: Sequence[AnyExample], answers: int) -> list[Sample]:
    """Answer the examples in turn until there are enough answers; those that need no model are left out."""
    usable = [each for each in examples if bound.shortcut(each.request) is None and _fits(bound, each)]
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(number: int) -> Sample:
        example = usable[number % len(usable)]
        async with slots:
            generations = _seeded(bound.generations(example.request), number)
            completions = await run_concurrently([engine.generate(each) for each in generations])
        return _sample(bound.task, example, completions)

    return await run_concurrently([one(number) for number in range(answers)])


def _fits(bound: BoundTask, example: AnyExample) -> bool:
    try:
        return bool(bound.generations(example.request))
    except InputError:
        return False


def _seeded(generations: Sequence[Generation], number: int) -> list[Generation]:
    return [
        replace(each, sampling=replace(each.sampling, seed=number * _PROMPTS + at))
        for at, each in enumerate(generations)
    ]


def _sample(task: AnyTask, example: AnyExample, completions: Sequence[Completion]) -> Sample:
    prompts = task.prompts(example.request)
    asked = [each.messages[-1].text if each.messages else "" for each in prompts]
    written = Written(asked, [each.text for each in completions])
    try:
        return Sample(example, written, task.read(example.request, completions))
    except UnreadableAnswer:
        return Sample(example, written, None)


def _figures(name: str, form: str, task: AnyTask, samples: Sequence[Sample], kind: Kind) -> dict[str, Figure]:
    """Return a row for each rule of a template."""
    found: dict[str, Figure] = {}
    for rule in RULES[name]:
        row: Figure = {"no answer has": rule.what, "answers": len(samples), "rows": _rows(samples), "engine": kind}
        row |= {"before": sum(_wrote(rule, each) for each in samples)}
        row |= {"after": sum(_answered(rule, each) for each in samples)}
        if form == name:
            row |= _scores(name, task, samples)
        found[f"{form}: {rule.what}" if len(RULES[name]) > 1 else form] = row
    return found


def _rows(samples: Sequence[Sample]) -> int:
    return len({each.example.id for each in samples})


def _wrote(rule: Rule, sample: Sample) -> bool:
    return rule.wrote(sample.example.request.model_dump(mode="json"), sample.written)


def _answered(rule: Rule, sample: Sample) -> bool:
    if sample.response is None:
        return False
    return rule.answered(sample.example.request.model_dump(mode="json"), sample.response.model_dump(mode="json"))


def _scores(name: str, task: AnyTask, samples: Sequence[Sample]) -> Figure:
    """Return the metric of the responses, and of what a service without the checker would have answered."""
    metric, reduction = _METRICS.get(name, (task.main_metric, None))
    reduction = reduction or task.metrics[metric]
    checked = reduction.reduce([_record(task, each.example, each.response) for each in samples])
    row: Figure = {"metric": metric, "with": _rounded(checked), "without": "the same"}
    if name in BELIEVED:
        believed = [_record(task, each.example, _believed(name, task, each)) for each in samples]
        row["without"] = _rounded(reduction.reduce(believed))
    return row


def _believed(name: str, task: AnyTask, sample: Sample) -> Any:
    data = BELIEVED[name](sample.example.request.model_dump(mode="json"), sample.written)
    try:
        return None if data is None else task.response_type.model_validate(data)
    except ValidationError:
        return None


def _record(task: AnyTask, example: AnyExample, response: Any) -> Record:
    """Return the record of a response; for none, that of no answer."""
    if response is not None:
        return task.observe(example.response, response)
    if isinstance(task, ScoresNoAnswer):
        return task.observe_nothing(example.response)
    try:
        return task.observe(example.response, task.read(example.request, ()))
    except (UnreadableAnswer, ValueError, LookupError):
        return {}


def _rounded(value: float | None) -> float | str:
    return "not measured" if value is None else round(value, 3)


def _measured_before(name: str) -> dict[str, Figure]:
    """Return a template's rows of the table on the page."""
    headings: list[str] = []
    found: dict[str, Figure] = {}
    for line in read_figures(PAGE, "sampled").splitlines():
        cells = [cell.strip() for cell in line.strip("| ").split("|")] if line.startswith("| ") else []
        if cells[:1] == ["figure"]:
            headings = cells[1:]
        elif cells and _template_of(cells[0]) == name:
            found[cells[0]] = {key: _value(cell) for key, cell in zip(headings, cells[1:], strict=False) if cell}
    return found or {name: {"no answer has": "not measured"}}


def _template_of(figure: str) -> str:
    """Return the template of a row."""
    return figure.partition(":")[0].partition(",")[0]


def _value(cell: str) -> float | int | str:
    for kind in (int, float):
        try:
            return kind(cell)
        except ValueError:
            continue
    return cell


if __name__ == "__main__":
    publish("sampled", measure(sys.argv[1:]))
