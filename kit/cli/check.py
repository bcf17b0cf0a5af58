"""`kit check`: everything that can be known before a processor is paid for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from kit.cli.numbers import PEAK_TFLOPS, PRICE_PER_HOUR
from kit.cli.output import Output, kit_command

if TYPE_CHECKING:
    from kit.checks import Check
    from kit.project.project import Project
    from kit.recipe import Recipe

_WORDS = {"held": "ok", "failed": "FAILED", "warning": "warning", "unmeasured": "not measured"}
_SHOWN = 5


@kit_command("check", example="kit check --profile smoke")
@click.option("--profile", help="A profile of the recipe.")
@click.option("--recipe-only", is_flag=True, help="Look at the recipe and its tasks alone.")
@click.option("--attach", is_flag=True, help="Attach the method to the base's architecture too; this loads torch.")
@click.option("--price-per-hour", type=PRICE_PER_HOUR, help="Price of the machine: gives a cost.")
@click.option("--peak-tflops", type=PEAK_TFLOPS, help="The device's peak: bounds the time.")
def command(
    output: Output,
    profile: str | None,
    recipe_only: bool,
    attach: bool,
    price_per_hour: float | None,
    peak_tflops: float | None,
) -> int:
    """Check recipe, data, rows and servability, and estimate memory and time, before a processor is paid for.

    Exit code 0: all held. 2: something is wrong. 3: something could not be measured.
    """
    from kit.checks import exit_code
    from kit.preflight.report import preflight
    from kit.project.project import Project

    project = Project.find()
    recipe = project.recipe(profile)
    names = [task.name for task in project.tasks(recipe)]
    data = {"recipe": recipe.name, "digest": recipe.digest(), "tasks": names, "base": recipe.base.model}
    head = f"recipe {recipe.name}, tasks: {', '.join(names)}, base: {recipe.base.model}"
    if recipe_only:
        output.result(data, f"{head}\nThe recipe is valid.")
        return 0
    attached, mergeable = _attached(project, recipe) if attach else ([], None)
    report = preflight(project, recipe, mergeable, peak_tflops, price_per_hour)
    checks = [*attached, *report.checks]
    told = report.facts.get("estimate", {}).get("told", [])
    estimate = [f"{'estimate':>12}  {line}" for line in told]
    text = "\n".join([head, *_told(checks), *estimate, *_profile_to_check(project, checks)])
    output.result({**data, "checks": [asdict(check) for check in checks], "facts": report.facts}, text)
    return exit_code(checks)


def _attached(project: Project, recipe: Recipe) -> tuple[list[Check], bool | None]:
    """Attach the method to the bare architecture: the check that came of it, and whether the adapter merges."""
    from kit.base import BaseNotHere
    from kit.checks import Check
    from kit.errors import InputError, MissingExtra

    name = "train.attach"
    try:
        from kit.train.model.attachment import preview
    except ImportError:
        raise MissingExtra("torch", "train") from None
    try:
        found = preview(project.base_config(recipe), recipe.train)
    except BaseNotHere as error:
        return [Check(name, "unmeasured", str(error))], None
    except InputError as error:
        return [Check.failed(name, error)], None
    return [Check(name, "held", found.sentence)], found.mergeable


def _told(checks: Sequence[Check]) -> list[str]:
    """Return the lines of all checks; those that wait for another are named with it, not one by one."""
    waiting = {check.name: [each.name for each in checks if each.waits_for == check.name] for check in checks}
    lines = []
    for check in (check for check in checks if not check.waits_for):
        lines += _lines(check)
        if waiting[check.name]:
            lines.append(f"{'':>14}Not measured without it: {', '.join(waiting[check.name])}.")
    return lines


def _profile_to_check(project: Project, checks: Sequence[Check]) -> list[str]:
    """Name the profile whose base is here, where the one that was asked for is not; one that is here is unsound."""
    from kit.preflight.base import BASE

    missing = any(check.waits_for == BASE for check in checks)
    name = project.profile_here() if missing else None
    return [f"The base of the profile '{name}' is on this machine: kit check --profile {name}"] if name else []


def _lines(check: Check) -> list[str]:
    state = "warning" if check.state == "failed" and not check.blocking else check.state
    told = [str(problem) for problem in check.problems[:_SHOWN] if problem.what != check.what]
    more = len(check.problems) - _SHOWN
    return [
        f"{_WORDS[state]:>12}  {check.name}: {check.what}{_advice(check)}",
        *(f"{'':>14}{line}" for line in told),
        *([f"{'':>14}… and {more} more."] if more > 0 else []),
    ]


def _advice(check: Check) -> str:
    return "".join(f" {problem.next}" for problem in check.problems if problem.what == check.what and problem.next)
