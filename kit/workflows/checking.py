"""Check a project before anyone pays for a GPU."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kit.checks import Check
    from kit.errors import Exit


@dataclass(frozen=True)
class CheckReport:
    """What was checked.

    `recipe` is the recipe's name, `digest` its hash. Each check held, failed or could not be measured. `facts` has
    counts and lengths of the data and the estimate, by part; `estimate` has the estimate of memory, time and cost as
    sentences. `profile_here` names a profile whose base is on this machine, if the base of the checked recipe is not.
    """

    recipe: str
    digest: str
    tasks: tuple[str, ...]
    base: str
    checks: tuple[Check, ...] = ()
    facts: Mapping[str, Any] | None = field(default=None, repr=False)
    estimate: tuple[str, ...] = ()
    profile_here: str | None = None

    @property
    def exit_code(self) -> Exit:
        """OK if every check held, INPUT if one failed, else UNMEASURED. Warnings do not count."""
        from kit.checks import exit_code

        return exit_code(self.checks)


def check(
    project: str | Path = ".",
    *,
    profile: str | None = None,
    recipe_only: bool = False,
    attach: bool = False,
    peak_tflops: float | None = None,
    price_per_hour: float | None = None,
) -> CheckReport:
    """Check recipe, data, rows and whether the result can be served, and estimate memory, time and cost.

    `recipe_only` reads the recipe and its tasks, and nothing else. `attach` also attaches the method to the base's
    architecture, which loads torch. `peak_tflops` (of the device) bounds the time if this base was never trained here;
    `price_per_hour` gives a cost. Raises InputError if recipe, tasks or data cannot be read at all.
    """
    from kit.project.project import Project
    from kit.workflows.steps.arguments import refuse_meaningless
    from kit.workflows.steps.checking import check_all, check_recipe

    refuse_meaningless(profile=profile, peak_tflops=peak_tflops, price_per_hour=price_per_hour)
    found = Project.find(Path(project))
    recipe = found.recipe(profile)
    if recipe_only:
        return check_recipe(found, recipe)
    return check_all(found, recipe, attach, peak_tflops, price_per_hour)
