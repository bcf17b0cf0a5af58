"""The steps of `explain_step`: the rows of a step, compared with the project's current data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kit.chat import Renderer
from kit.data.rows import Row
from kit.errors import KitError
from kit.project.project import Project
from kit.project.runs import find_run
from kit.recipe import Recipe
from kit.train.report.explain import Suspect, explain
from kit.train.report.recorder import read_recording, row_digest
from kit.workflows.runs import ExplainedRow, StepExplanation
from kit.workflows.steps.training.data import gather

_EXCERPT = 60


@dataclass(frozen=True)
class _Current:
    """The project's current training data: rows by digest, digests by example, places by example."""

    rows: Mapping[str, Row] = field(default_factory=dict)
    digests: Mapping[str, set[str]] = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict)
    renderer: Renderer | None = None


def explain_recorded(project: Project, step: int, ref: str) -> StepExplanation:
    """Explain a recorded step of a run."""
    run = find_run(project.root, ref)
    recording = read_recording(run.folder)
    current, unread = _read(project, run.recipe())
    found = explain(recording, step, current.digests)
    return StepExplanation(run.id, found, tuple(_row(suspect, current) for suspect in found.suspects), unread)


def _read(project: Project, recipe: Recipe) -> tuple[_Current, str | None]:
    """Read the current data. If they cannot be read, return no data, and the reason."""
    try:
        renderer = project.renderer(recipe, offline=True)
        data = gather(project, recipe, renderer)
    except KitError as error:
        return _Current(), str(error)
    rows = {row_digest(row): row for row in data.rows}
    digests: dict[str, set[str]] = {}
    for digest, row in rows.items():
        digests.setdefault(row.example, set()).add(digest)
    return _Current(rows, digests, data.places(), renderer), None


def _row(suspect: Suspect, current: _Current) -> ExplainedRow:
    row = current.rows.get(suspect.digest)
    text = _excerpt(row, current.renderer) if row and current.renderer else None
    return ExplainedRow(suspect, current.places.get(suspect.example), text)


def _excerpt(row: Row, renderer: Renderer) -> str:
    """Return the end of the row's prompt and the start of its answer."""
    prompt = " ".join(renderer.decode(row.ids[: row.answer_start]).split())
    answer = " ".join(renderer.decode(row.ids[row.answer_start :]).split())
    before = prompt if len(prompt) <= _EXCERPT else f"…{prompt[-_EXCERPT:]}"
    return f"{before} → {answer if len(answer) <= _EXCERPT else f'{answer[:_EXCERPT]}…'}"
