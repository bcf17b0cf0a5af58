"""Search the recipe's settings within the ranges that it declares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.workflows.events import Report, ignore

if TYPE_CHECKING:
    from kit.metrics.intervals import Change
    from kit.project.project import Project
    from kit.recipe import Range, Recipe
    from kit.search.report import SearchOutcome, Tried


@dataclass(frozen=True)
class SearchPlan:
    """What a search would try.

    `study` is the folder of its trials, and `made` counts those in it by their state. `metric` is what the search
    improves. `defaults` are the recipe's own values of the settings that have `ranges`.
    """

    study: Path
    metric: str
    trials: int
    workers: int
    made: Mapping[str, int]
    defaults: Mapping[str, Any]
    ranges: Mapping[str, Range]


@dataclass(frozen=True)
class SearchResult:
    """A finished search.

    `tried` are all trials, `best` is the best by `metric`, `default` is the trial with the recipe's own values (None if
    it broke). `importance` is each setting's share of the differences, from 0 to 1. `change` is best minus default on
    the test examples, paired; None if both are the same trial. `verdict` is a sentence about it. `recipe` is the file
    of the best recipe.
    """

    study: Path
    metric: str
    tried: tuple[Tried, ...]
    best: Tried
    default: Tried | None
    importance: Mapping[str, float] | None
    outcome: SearchOutcome
    change: Change | None
    verdict: str
    recipe: Path


def plan_search(
    project: str | Path = ".",
    *,
    profile: str | None = None,
    trials: int | None = None,
    workers: int | None = None,
) -> SearchPlan:
    """Return what `search` would try; nothing is trained. Raises InputError as `search` does."""
    found, recipe = _recipe(project, profile, trials, workers)
    from kit.workflows.steps.search.lead import plan

    return plan(found, recipe, profile)


def search(
    project: str | Path = ".",
    *,
    profile: str | None = None,
    trials: int | None = None,
    workers: int | None = None,
    report: Report = ignore,
) -> SearchResult:
    """Train with different settings, and compare the best with the recipe's own values on the test examples.

    `trials` in all and `workers` at a time are the recipe's by default. Each worker is a process. Safe to interrupt:
    call it again to continue; with more trials it extends the search. Notes and Counted go to `report`. Raises
    InputError for ranges that cannot be searched, KitError if a worker broke or no trial was completed, and
    Interrupted or Terminated where the process is asked to stop.
    """
    found, recipe = _recipe(project, profile, trials, workers)
    from kit.workflows.steps.search.lead import lead

    return lead(found, recipe, profile, report)


def run_search_worker(
    number: int,
    project: str | Path = ".",
    *,
    profile: str | None = None,
    trials: int | None = None,
    workers: int | None = None,
) -> None:
    """Run trials as one worker of a search, until there are enough. `search` starts the processes that call this."""
    found, recipe = _recipe(project, profile, trials, workers)
    from kit.workflows.steps.search.worker import work

    work(found, recipe, profile, number)


def _recipe(folder: str | Path, profile: str | None, trials: int | None, workers: int | None) -> tuple[Project, Recipe]:
    """Return the project, and its recipe with the requested number of trials and workers."""
    from importlib.util import find_spec

    from kit.errors import InputError, MissingExtra
    from kit.project.project import Project
    from kit.workflows.steps.arguments import refuse_meaningless

    refuse_meaningless(profile=profile, trials=trials, workers=workers)
    if find_spec("optuna") is None:
        raise MissingExtra("optuna", "search")
    project = Project.find(Path(folder))
    recipe = project.recipe(profile)
    asked = {name: value for name, value in {"trials": trials, "workers": workers}.items() if value is not None}
    if len(recipe.tasks) > 1:
        what = "A search compares on the test examples of one task, and the recipe has several."
        raise InputError(what, "tasks", "Search with each task alone, then train all of them with the best values.")
    return project, recipe.model_copy(update={"search": recipe.search.model_copy(update=asked)})
