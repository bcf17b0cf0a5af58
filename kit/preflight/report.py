"""Checks a project before training: data, rows, servability, settings, memory, time. Loads no deep-learning package."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kit.base import BaseNotHere
from kit.chat import Renderer
from kit.checks import Check
from kit.data.additional import general_rows
from kit.data.assignment import PARTS, Part
from kit.data.checking.blank import check_blank
from kit.data.checking.ceiling import ceilings, check_ceiling
from kit.data.checking.checks import Parts, check_data, check_prompts, data_facts, row_facts
from kit.data.checking.labels import check_labels
from kit.data.formats import DataFile
from kit.data.mixture import Source, mixed
from kit.data.rows import Rows
from kit.errors import InputError, Problem
from kit.evals.gates import check_thresholds, thresholds_by_task
from kit.preflight.base import BASE, check_soundness, is_sound
from kit.preflight.ranges import check_ranges
from kit.preflight.servability import check_base, check_servability, check_targets
from kit.preflight.time import Forecast, Work, forecast, work_of_epoch
from kit.project.project import Data, Project, first_requests, leaks_into
from kit.recipe import Recipe, RowsSection
from kit.search.space import defaults
from kit.system.machine import machine_facts
from kit.task.copy import try_copy

_OF_BASE = ("base.architecture", "base.context", "train.learning_rate", "train.epochs")


@dataclass(frozen=True)
class Report:
    """The checks, and facts about each part of the data."""

    checks: tuple[Check, ...]
    facts: dict[str, Any]


@dataclass(frozen=True)
class _TaskReport(Report):
    """The report of one task, and its training rows if they can be built."""

    train: Rows | None


def preflight(
    project: Project,
    recipe: Recipe,
    mergeable: bool | None = None,
    peak_tflops: float | None = None,
    price_per_hour: float | None = None,
) -> Report:
    """Check data, rows, servability and settings, and estimate the training.

    `mergeable` is the result of `kit check --attach`, if it was run.

    Raises InputError if the tasks or the data cannot be read at all.
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
    additional, replayed = _additional(project, recipe, tasks, renderer)
    checks = [
        check_targets(recipe),
        *_search(recipe),
        _check_copied_tasks(project, recipe, tasks),
        *of_base,
        *additional,
    ]
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
    """Yield the checks. If the base is here but a check of it failed, checks that wait for the base name that check."""
    failed = next((check.name for check in of_base if check.state == "failed"), BASE)
    for check in checks:
        yield replace(check, waits_for=failed) if check.waits_for == BASE else check


def _work(recipe: Recipe, tasks: Sequence[Data], reports: Sequence[_TaskReport], replayed: Rows | None) -> Work | None:
    """Return the amount of data in an epoch of all tasks and replayed rows; None if some rows cannot be made."""
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


def _additional(
    project: Project, recipe: Recipe, tasks: Sequence[Data], renderer: Renderer | None
) -> tuple[list[Check], Rows | None]:
    """Check the additional rows (replay, EWC), and return the replayed rows."""
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
    """Check that no test example is among the additional rows."""
    if section.use is None:
        return []
    try:
        problems = leaks_into(project.root, section, tasks)
    except InputError as error:
        return [Check.failed(name, error)]
    return [Check.listed(name, problems, f"No test example is among the rows of {section.data}.")]


def _gates(data: Data, gates: Mapping[str, float]) -> Check:
    """Check the gates now. A gate with an unknown metric would otherwise fail only after training."""
    try:
        check_thresholds(data.task, gates)
    except InputError as error:
        return Check.failed("eval.gates", error)
    names = ", ".join(gates) or "the default gates (not worse than the base)"
    return Check("eval.gates", "held", f"Every gate has a known metric: {names}.")


def _search(recipe: Recipe) -> list[Check]:
    """Check the ranges that `kit search` would try, if the recipe has any. A problem here is only a warning."""
    if not recipe.search.ranges:
        return []
    try:
        known = ", ".join(defaults(recipe))
    except InputError as error:
        return [replace(Check.failed("search.ranges", error), blocking=False)]
    return [Check("search.ranges", "held", f"Every range has a setting: {known}.")]


def _parts(data: Data) -> Parts:
    """Read all files before reporting, so that all problems appear at once."""
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
    first = Check(BASE, "unmeasured", what, (Problem(what, next="`kit train` downloads it; `kit check` does not."),))
    return [first, *map(_waiting, _OF_BASE)]


def _waiting(name: str) -> Check:
    return Check(name, "unmeasured", "This check needs a valid base model.", waits_for=BASE)


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
        return Check("serve.context", "unmeasured", "Not checked, because some rows are invalid.")


def _check_copied_tasks(project: Project, recipe: Recipe, tasks: Sequence[Data]) -> Check:
    """Try a copy of the tasks outside the project, to find before training a file that the bundle would lack."""
    try:
        files = try_copy(project.root, recipe, first_requests(tasks))
    except InputError as error:
        return Check.failed("task.files", error)
    return Check("task.files", "held", f"The tasks work when copied into a bundle ({files} files).")


def _memory(estimate: Forecast) -> list[Check]:
    """Only warn: training may use another machine, and the estimate is rough."""
    memory, here = estimate.memory, machine_facts()["memory_gib"]
    if memory is None or here is None:
        return []
    right, wrong = f"Training fits the {here} GiB of this machine.", f"This machine has {here} GiB."
    advice = "Lower train.batch_tokens, choose a smaller base, or train on a larger machine."
    fits = memory.total < here * 1024**3
    return [Check.of("train.memory", fits, right, f"{memory.sentence()}. {wrong}", next=advice, blocking=False)]


def _fit(part: Part, facts: dict[str, Any]) -> Check:
    lengths = f"{facts['shortest']} to {facts['longest']} tokens, median {facts['median']:g}, total {facts['tokens']:,}"
    wrong = f"{facts['dropped']} rows are too long and were dropped; {facts['rows']} are left."
    return Check.of(f"rows.{part}", not facts["dropped"], f"{facts['rows']} rows of {lengths}.", wrong, blocking=False)
