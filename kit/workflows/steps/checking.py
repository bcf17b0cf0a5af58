"""The steps of `check`. Only attaching the method loads torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kit.base import BaseNotHere
from kit.checks import Check
from kit.errors import InputError, MissingExtra
from kit.preflight.base import BASE
from kit.preflight.report import preflight
from kit.project.project import Project
from kit.recipe import Recipe
from kit.workflows.checking import CheckReport

_ATTACH = "train.attach"


def check_recipe(project: Project, recipe: Recipe) -> CheckReport:
    """Read the recipe and its tasks, and nothing else."""
    names = tuple(task.name for task in project.tasks(recipe))
    return CheckReport(recipe.name, recipe.digest(), names, recipe.base.model)


def check_all(
    project: Project, recipe: Recipe, attach: bool, peak_tflops: float | None, price_per_hour: float | None
) -> CheckReport:
    """Make every check, and estimate the training."""
    head = check_recipe(project, recipe)
    attached, mergeable = _attach(project, recipe) if attach else ([], None)
    report = preflight(project, recipe, mergeable, peak_tflops, price_per_hour)
    checks = (*attached, *report.checks)
    estimate = tuple(report.facts.get("estimate", {}).get("sentences", ()))
    here = _profile_here(project, checks)
    return replace(head, checks=checks, facts=report.facts, estimate=estimate, profile_here=here)


def _attach(project: Project, recipe: Recipe) -> tuple[list[Check], bool | None]:
    """Attach the method to the base's architecture; return the check, and whether the adapter can be merged."""
    try:
        from kit.train.model.attachment import preview
    except ImportError:
        raise MissingExtra("torch", "train") from None
    try:
        found = preview(project.base_config(recipe), recipe.train)
    except BaseNotHere as error:
        return [Check(_ATTACH, "unmeasured", str(error))], None
    except InputError as error:
        return [Check.failed(_ATTACH, error)], None
    return [Check(_ATTACH, "held", found.sentence)], found.mergeable


def _profile_here(project: Project, checks: Sequence[Check]) -> str | None:
    """Return a profile whose base is on this machine, if checks wait for the base of this one."""
    return project.profile_here() if any(check.waits_for == BASE for check in checks) else None
