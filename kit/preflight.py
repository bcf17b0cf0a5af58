"""Everything that can be known about a project before a processor is paid for. Loads no deep-learning package."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kit.base import BaseNotHere
from kit.chat import Renderer
from kit.checks import Check
from kit.data.checks import Parts, check_data, check_prompts, data_facts, row_facts
from kit.data.formats import DataFile
from kit.errors import InputError, Problem
from kit.evals.gates import check_thresholds
from kit.project import PARTS, Data, Part, Project
from kit.ranges import check_ranges
from kit.recipe import Recipe
from kit.servability import check_base, check_servability, check_targets


@dataclass(frozen=True)
class Report:
    """What was checked, and facts by part, for a person to judge."""

    checks: tuple[Check, ...]
    facts: dict[str, Any]


def preflight(project: Project, recipe: Recipe, mergeable: bool | None = None) -> Report:
    """Check data, rows, servability and settings; `mergeable` is what an attach pre-flight found, if one was made.

    Raises InputError where the tasks or the data cannot be read at all.
    """
    data = project.data(recipe)
    parts = _parts(data)
    checks = [check_targets(recipe), _gates(data), *check_data(parts)]
    facts: dict[str, Any] = {"data": data_facts(parts)}
    try:
        base = project.base(recipe, offline=True)
    except BaseNotHere:
        return Report((*checks, check_servability(recipe), *_unmeasured(recipe)), facts)
    renderer = Renderer(base.folder, recipe.base.template_args)
    checks += [check_servability(recipe, base.folder, mergeable), *check_base(recipe, base.folder)]
    checks += check_ranges(recipe, base.folder)
    rows, measured = _measure_rows(data, renderer, parts)
    return Report((*checks, *rows), facts | measured)


def _gates(data: Data) -> Check:
    """A gate on a metric that does not exist would be found out only after the training that it judges."""
    gates = data.recipe.eval.gates
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


def _unmeasured(recipe: Recipe) -> list[Check]:
    what = f"The base model '{recipe.base.model}' is not on this machine."
    first = Check("base", "unmeasured", what, (Problem(what, next="`kit train` fetches it; `kit check` does not."),))
    about_base = ("base.architecture", "base.context", "train.learning_rate", "train.epochs")
    names = (*about_base, *(f"rows.{part}" for part in PARTS), "serve.context")
    return [first, *(Check(name, "unmeasured", "It needs the base model.") for name in names)]


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
