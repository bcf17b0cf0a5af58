"""Everything that can be known about a project before a processor is paid for. Loads no deep-learning package."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from kit.base import BaseNotHere
from kit.chat import Renderer
from kit.checks import Check
from kit.data.checks import Parts, check_data, check_prompts, data_facts, row_facts
from kit.data.formats import DataFile
from kit.data.general import general_rows
from kit.errors import InputError, Problem
from kit.evals.gates import check_thresholds, thresholds_by_task
from kit.project import PARTS, Data, Part, Project
from kit.recipe import Recipe
from kit.servability import check_base, check_targets


@dataclass(frozen=True)
class Report:
    """What was checked, and facts by part, for a person to judge."""

    checks: tuple[Check, ...]
    facts: dict[str, Any]


def preflight(project: Project, recipe: Recipe) -> Report:
    """Check data, rows and servability. Raises InputError where the tasks or the data cannot be read at all."""
    tasks = project.all_data(recipe)
    try:
        renderer: Renderer | None = None
        base = project.base(recipe, offline=True)
        renderer = Renderer(base.folder, recipe.base.template_args)
        of_base = check_base(recipe, base.folder)
    except BaseNotHere:
        of_base = _no_base(recipe)
    gates = thresholds_by_task(recipe.eval.gates, [data.task.name for data in tasks])
    reports = [_of_task(data, gates[data.task.name], renderer) for data in tasks]
    shared = [check_targets(recipe), *of_base, *_beside(project, recipe, renderer)]
    if len(reports) == 1:
        return Report((*shared, *reports[0].checks), reports[0].facts)
    named = {data.task.name: report for data, report in zip(tasks, reports, strict=True)}
    checks = [replace(check, name=f"{name}: {check.name}") for name, report in named.items() for check in report.checks]
    return Report((*shared, *checks), {name: report.facts for name, report in named.items()})


def _of_task(data: Data, gates: Mapping[str, float], renderer: Renderer | None) -> Report:
    parts = _parts(data)
    checks = [_gates(data, gates), *check_data(parts)]
    facts: dict[str, Any] = {"data": data_facts(parts)}
    if renderer is None:
        names = (*(f"rows.{part}" for part in PARTS), "serve.context")
        return Report((*checks, *(_waiting(name) for name in names)), facts)
    rows, measured = _measure_rows(data, renderer, parts)
    return Report((*checks, *rows), facts | measured)


def _beside(project: Project, recipe: Recipe, renderer: Renderer | None) -> list[Check]:
    """Check the rows that stand beside the tasks' own."""
    checks = []
    for name, section in (("train.replay", recipe.train.replay), ("train.ewc", recipe.train.ewc)):
        if section is None:
            continue
        if renderer is None:
            checks.append(_waiting(name))
            continue
        try:
            made = general_rows(project.root, section, renderer, recipe.train.max_length, recipe.data.too_long)
            checks.append(Check(name, "held", f"{len(made.rows)} rows of {section.data}."))
        except InputError as error:
            checks.append(Check.failed(name, error))
    return checks


def _gates(data: Data, gates: Mapping[str, float]) -> Check:
    """A gate on a metric that does not exist would be found out only after the training that it judges."""
    try:
        check_thresholds(data.task, gates)
    except InputError as error:
        return Check.failed("eval.gates", error)
    names = ", ".join(gates) or "the default ones: not worse than the base"
    return Check("eval.gates", "held", f"The gates can be judged: {names}.")


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
    first = Check("base", "unmeasured", what, (Problem(what, next="`kit train` fetches it; `kit check` does not."),))
    return [first, _waiting("base.architecture"), _waiting("base.context")]


def _waiting(name: str) -> Check:
    return Check(name, "unmeasured", "It needs the base model.")


def _measure_rows(data: Data, renderer: Renderer, parts: Parts) -> tuple[list[Check], dict[str, Any]]:
    checks: list[Check] = []
    facts: dict[str, Any] = {}
    for part in PARTS:
        try:
            facts[part] = row_facts(data.rows(renderer, part))
            checks.append(_fit(part, facts[part]))
        except InputError as error:
            checks.append(Check.failed(f"rows.{part}", error))
    if len(facts) == len(PARTS):
        checks.append(check_prompts(data.task, renderer, parts, data.recipe.serve.max_length))
    else:
        checks.append(Check("serve.context", "unmeasured", "Rows are wrong, so prompts were not looked at."))
    epochs = data.recipe.train.epochs
    tokens = round(facts["train"]["tokens"] * epochs) if "train" in facts else None
    return checks, {"rows": facts, "training": {"epochs": epochs, "tokens": tokens}}


def _fit(part: Part, facts: dict[str, Any]) -> Check:
    lengths = (
        f"{facts['shortest']} to {facts['longest']} tokens, median {facts['median']:g}, in all {facts['tokens']:,}"
    )
    wrong = f"{facts['dropped']} rows are too long and were dropped; {facts['rows']} are left."
    return Check.of(f"rows.{part}", not facts["dropped"], f"{facts['rows']} rows of {lengths}.", wrong, blocking=False)
