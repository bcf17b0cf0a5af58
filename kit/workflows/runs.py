"""List a project's runs, and explain the loss of a step by its rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kit.project.runs import Run, State
    from kit.train.report.explain import Explanation, Suspect


@dataclass(frozen=True)
class RunSummary:
    """One run of a project. Unknown values are None.

    `sentence` says how the run ended, `made` is the time in UTC (ISO 8601), `bundle` is the digest of its bundle.
    `not_as_asked` names settings that were not applied as the recipe asks; empty if all were.
    """

    run: str
    state: State
    sentence: str
    recipe: str | None
    profile: str | None
    score: float | None
    step: int | None
    bundle: str | None
    made: str
    not_as_asked: str


@dataclass(frozen=True)
class ExplainedRow:
    """A row of the step: its loss, its file and line, and an excerpt; None if the data have changed since."""

    suspect: Suspect
    place: str | None
    text: str | None


@dataclass(frozen=True)
class StepExplanation:
    """A step of a run and its rows; rows that raised the loss most come first.

    `unread` says why the project's data could not be read for comparison; None if they could.
    """

    run: str
    step: Explanation
    rows: tuple[ExplainedRow, ...]
    unread: str | None


def list_runs(project: str | Path = ".") -> tuple[RunSummary, ...]:
    """Return the project's runs, oldest first; a run that cannot be read is listed as damaged."""
    from kit.project.project import Project
    from kit.project.runs import list_runs as read_runs

    return tuple(_summary(run) for run in read_runs(Project.find(Path(project)).root))


def explain_step(project: str | Path = ".", *, step: int, run: str = "latest") -> StepExplanation:
    """Return the rows of a recorded step of a run, with their losses, places and texts.

    Raises InputError if the run or the step does not exist.
    """
    from kit.project.project import Project
    from kit.workflows.steps.training.explaining import explain_recorded

    return explain_recorded(Project.find(Path(project)), step, run)


def _summary(run: Run) -> RunSummary:
    from kit.train.report.applied import read_facts, trouble

    status, report = run.status(), run.report() or {}
    return RunSummary(
        run=run.id,
        state=status.state,
        sentence=status.sentence,
        recipe=_recipe_name(run),
        profile=run.profile,
        score=report.get("score"),
        step=report.get("step"),
        bundle=report.get("bundle"),
        made=run.created,
        not_as_asked=trouble(read_facts(run.folder) or ()),
    )


def _recipe_name(run: Run) -> str | None:
    """Return the recipe's name, or None: another version of the kit may have written a recipe that this one rejects."""
    try:
        return run.recipe().name
    except (ValueError, OSError):
        return None
