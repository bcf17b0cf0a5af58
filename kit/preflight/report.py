"""Everything that can be known about a project before a processor is paid for. Loads no deep-learning package."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kit.base import BaseNotHere
from kit.chat import Renderer
from kit.checks import Check
from kit.data.checking.blank import check_blank
from kit.data.checking.ceiling import ceilings, check_ceiling
from kit.data.checking.checks import Parts, check_data, check_prompts, data_facts, row_facts
from kit.data.checking.labels import check_labels
from kit.data.formats import DataFile
from kit.data.general import general_rows
from kit.data.mixture import Source, mixed
from kit.data.parting import PARTS, Part
from kit.data.rows import Rows
from kit.errors import InputError, Problem
from kit.evals.gates import check_thresholds, thresholds_by_task
from kit.preflight.base import BASE, check_soundness, is_sound
from kit.preflight.ranges import check_ranges
from kit.preflight.servability import check_base, check_servability, check_targets
from kit.preflight.time import Forecast, Work, forecast, work_of_epoch
from kit.project.project import Data, Project, first_requests, leaks_beside
from kit.recipe import Recipe, RowsSection
from kit.search.space import defaults
from kit.system.machine import machine_facts
from kit.task.copy import try_copy

_OF_BASE = ("base.architecture", "base.context", "train.learning_rate", "train.epochs")


@dataclass(frozen=True)
class Report:
    """What was checked, and facts by part, for a person to judge."""

    checks: tuple[Check, ...]
    facts: dict[str, Any]


@dataclass(frozen=True)
class _TaskReport(Report):
    """A task's own report, and its training rows, where they can be made."""

    train: Rows | None


def preflight(
    project: Project,
    recipe: Recipe,
    mergeable: bool | None = None,
    peak_tflops: float | None = None,
    price_per_hour: float | None = None,
) -> Report:
    """Check data, rows, servability and settings, and estimate the training.

    `mergeable` is what an attach pre-flight found, if one was made.

    Raises InputError where the tasks or the data cannot be read at all.
    """
    tasks = project.all_data(recipe)
    try:
        renderer: Renderer | None = None
        base = project.base(recipe, offline=True)
        of_base = check_soundness(base.folder, recipe.base.template_args)
        if is_sound(of_base):
            renderer = Renderer(base.folder, recipe.base.template_args)
            of_base += [check_servability(recipe, base.folder, mergeable), *check_base(recipe, base.folder)]
            of_base += check_ranges(recipe, base.folder)
        else:
            of_base += [check_servability(recipe), *map(_waiting, _OF_BASE)]
    except BaseNotHere:
        of_base = [check_servability(recipe), *_no_base(recipe)]
    gates = thresholds_by_task(recipe.eval.gates, [data.task.name for data in tasks])
    reports = [_of_task(data, gates[data.task.name], renderer) for data in tasks]
    beside, replayed = _beside(project, recipe, tasks, renderer)
    checks = [check_targets(recipe), *_search(recipe), _travels(project, recipe, tasks), *of_base, *beside]
    facts: dict[str, Any] = {}
    for data, report in zip(tasks, reports, strict=True):
        if len(tasks) == 1:
            checks, facts = [*checks, *report.checks], dict(report.facts)
        else:
            checks += [replace(check, name=f"{data.task.name}: {check.name}") for check in report.checks]
            facts[data.task.name] = report.facts
    if renderer and (work := _work(recipe, tasks, reports, replayed)):
        estimate = forecast(project.root, base.folder, recipe, work, peak_tflops, price_per_hour)
        facts["estimate"] = estimate.facts()
        checks += _memory(estimate)
    return Report(tuple(_after_the_base(checks, of_base)), facts)


def _after_the_base(checks: Sequence[Check], of_base: Sequence[Check]) -> Iterator[Check]:
    """Yield the checks; those that wait for the base name the check of it that failed, where it is here."""
    failed = next((check.name for check in of_base if check.state == "failed"), BASE)
    for check in checks:
        yield replace(check, waits_for=failed) if check.waits_for == BASE else check


def _work(recipe: Recipe, tasks: Sequence[Data], reports: Sequence[_TaskReport], replayed: Rows | None) -> Work | None:
    """Return what an epoch of all tasks and of what is replayed takes; None where some rows cannot be made."""
    sources = [
        Source(data.task.name, report.train.rows, section.weight)
        for data, report, section in zip(tasks, reports, recipe.tasks, strict=True)
        if report.train
    ]
    if len(sources) < len(tasks) or (recipe.train.replay and replayed is None):
        return None
    mixture = mixed(sources, Source("replay", replayed.rows) if replayed else None, recipe.train)
    return work_of_epoch(mixture.rows if mixture else sources[0].rows, mixture, recipe.train.seed)


def _of_task(data: Data, gates: Mapping[str, float], renderer: Renderer | None) -> _TaskReport:
    parts = _parts(data)
    places: dict[str, Mapping[str, str]] = {part: data.places(part) for part in PARTS}
    found = ceilings(data.task, parts, places)
    checks = [_gates(data, gates), *check_data(parts, places)]
    checks += check_labels(data.task, parts, data.recipe.eval.untested_labels)
    checks += [check_blank(data.task, parts["train"], places["train"]), check_ceiling(data.task, found)]
    facts: dict[str, Any] = {"data": data_facts(parts)}
    facts["ceiling"] = {data.task.main_metric: {part: each.value for part, each in found.items()}}
    if renderer is None:
        names = (*(f"rows.{part}" for part in PARTS), "serve.context")
        return _TaskReport((*checks, *(_waiting(name) for name in names)), facts, None)
    rows, measured, train = _measure_rows(data, renderer, parts)
    return _TaskReport((*checks, *rows), facts | measured, train)


def _beside(
    project: Project, recipe: Recipe, tasks: Sequence[Data], renderer: Renderer | None
) -> tuple[list[Check], Rows | None]:
    """Check the rows that stand beside the tasks' own, and return those that are replayed."""
    checks: list[Check] = []
    found: dict[str, Rows] = {}
    for name, section in (("train.replay", recipe.train.replay), ("train.ewc", recipe.train.ewc)):
        if section is None:
            continue
        checks += _apart(f"{name}.leaks", project, section, tasks)
        if renderer is None:
            checks.append(_waiting(name))
            continue
        try:
            made = general_rows(project.root, section, renderer, recipe.train.max_length, recipe.data.too_long)
            checks.append(Check(name, "held", f"{len(made.rows)} rows of {section.data}."))
            found[name] = made
        except InputError as error:
            checks.append(Check.failed(name, error))
    return checks, found.get("train.replay")


def _apart(name: str, project: Project, section: RowsSection, tasks: Sequence[Data]) -> list[Check]:
    """Look for test examples among the rows beside the tasks' own."""
    if section.use is None:
        return []
    try:
        problems = leaks_beside(project.root, section, tasks)
    except InputError as error:
        return [Check.failed(name, error)]
    return [Check.listed(name, problems, f"No test example is among the rows of {section.data}.")]


def _gates(data: Data, gates: Mapping[str, float]) -> Check:
    """A gate on a metric that does not exist would be found out only after the training that it judges."""
    try:
        check_thresholds(data.task, gates)
    except InputError as error:
        return Check.failed("eval.gates", error)
    names = ", ".join(gates) or "the default ones: not worse than the base"
    return Check("eval.gates", "held", f"The gates can be judged: {names}.")


def _search(recipe: Recipe) -> list[Check]:
    """Look at what `kit search` would try, where the recipe declares something; it stops nothing else."""
    if not recipe.search.ranges:
        return []
    try:
        known = ", ".join(defaults(recipe))
    except InputError as error:
        return [replace(Check.failed("search.ranges", error), blocking=False)]
    return [Check("search.ranges", "held", f"What is to be searched is there: {known}.")]


def _parts(data: Data) -> Parts:
    """Read every file before any of them is complained about, so that all problems are told at once."""
    readers: list[Callable[[], DataFile | None]] = [
        lambda: data.train_file,
        lambda: data.validation_file,
        lambda: data.test_file,
    ]
    problems: list[Problem] = []
    for read in readers:
        try:
            read()
        except InputError as error:
            problems.extend(error.problems)
    if problems:
        raise InputError(problems)
    return {part: data.examples(part) for part in PARTS}


def _no_base(recipe: Recipe) -> list[Check]:
    what = f"The base model '{recipe.base.model}' is not on this machine."
    first = Check(BASE, "unmeasured", what, (Problem(what, next="`kit train` fetches it; `kit check` does not."),))
    return [first, *map(_waiting, _OF_BASE)]


def _waiting(name: str) -> Check:
    return Check(name, "unmeasured", "It needs the base model, whole and sound.", waits_for=BASE)


def _measure_rows(data: Data, renderer: Renderer, parts: Parts) -> tuple[list[Check], dict[str, Any], Rows | None]:
    checks: list[Check] = []
    facts: dict[str, Any] = {}
    made: dict[Part, Rows] = {}
    for part in PARTS:
        try:
            made[part] = data.rows(renderer, part)
            facts[part] = row_facts(made[part])
            checks.append(_fit(part, facts[part]))
        except InputError as error:
            checks.append(Check.failed(f"rows.{part}", error))
    checks.append(_context(data, renderer, parts))
    epochs = data.recipe.train.epochs
    tokens = round(facts["train"]["tokens"] * epochs) if "train" in facts else None
    return checks, {"rows": facts, "training": {"epochs": epochs, "tokens": tokens}}, made.get("train")


def _context(data: Data, renderer: Renderer, parts: Parts) -> Check:
    try:
        return check_prompts(data.task, renderer, parts, data.recipe.serve.max_length)
    except InputError:
        return Check("serve.context", "unmeasured", "Rows are wrong, so prompts were not looked at.")


def _travels(project: Project, recipe: Recipe, tasks: Sequence[Data]) -> Check:
    """Try the tasks without the project around them: what a bundle would lack is found before it is trained."""
    try:
        files = try_copy(project.root, recipe, first_requests(tasks))
    except InputError as error:
        return Check.failed("task.files", error)
    return Check("task.files", "held", f"The tasks work as they travel into a bundle, in {files} files.")


def _memory(estimate: Forecast) -> list[Check]:
    """The machine that checks may not be the one that trains, and the formula is rough: it warns, and no more."""
    memory, here = estimate.memory, machine_facts()["memory_gib"]
    if memory is None or here is None:
        return []
    right, wrong = f"Training fits the {here} GiB of this machine.", f"This machine has {here} GiB."
    advice = "Lower train.batch_tokens, choose a smaller base, or train on a larger machine."
    fits = memory.total < here * 1024**3
    return [Check.of("train.memory", fits, right, f"{memory.sentence()}. {wrong}", next=advice, blocking=False)]


def _fit(part: Part, facts: dict[str, Any]) -> Check:
    lengths = (
        f"{facts['shortest']} to {facts['longest']} tokens, median {facts['median']:g}, in all {facts['tokens']:,}"
    )
    wrong = f"{facts['dropped']} rows are too long and were dropped; {facts['rows']} are left."
    return Check.of(f"rows.{part}", not facts["dropped"], f"{facts['rows']} rows of {lengths}.", wrong, blocking=False)
