"""What `kit train --explain` says: the rows behind a step's loss, with their place in the data and their text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from kit.cli.output import Output, table

if TYPE_CHECKING:
    from kit.chat import Renderer
    from kit.data.rows import Row
    from kit.project.project import Project
    from kit.recipe import Recipe
    from kit.train.report.explain import Explanation, Suspect

_SHOWN = 8
_EXCERPT = 60
_CHANGED = "changed since"


@dataclass(frozen=True)
class Now:
    """The project's training data as they are: rows by digest, digests by example, and places by example."""

    rows: Mapping[str, Row] = field(default_factory=dict)
    digests: Mapping[str, set[str]] = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict)
    renderer: Renderer | None = None


def explain_step(output: Output, step: int, ref: str) -> None:
    """Print the rows behind a step of a run."""
    from kit.project.project import Project
    from kit.project.runs import find_run
    from kit.train.report.explain import explain
    from kit.train.report.recorder import read_recording

    project = Project.find()
    run = find_run(project.root, ref)
    flight = read_recording(run.folder)
    now, unread = _now(project, run.recipe())
    found = explain(flight, step, now.digests)
    rows = [_facts(suspect, now) for suspect in found.suspects]
    data = {"run": run.id, **asdict(found), "spike": found.spike, "changed": found.changed, "unread": unread}
    data["suspects"] = rows
    output.result(_finite(data), "\n".join([f"Run {run.id}.", *_head(found, unread), *_body(rows)]))


def _now(project: Project, recipe: Recipe) -> tuple[Now, str | None]:
    """Read the data as they are; where they cannot be read, say why instead: then nothing is known of them."""
    from kit.cli.training_data import gather
    from kit.errors import KitError
    from kit.train.report.recorder import row_digest

    try:
        renderer = project.renderer(recipe, offline=True)
        data = gather(project, recipe, renderer)
        found = {row_digest(row): row for row in data.rows}
    except KitError as error:
        return Now(), str(error)
    digests: dict[str, set[str]] = {}
    for digest, row in found.items():
        digests.setdefault(row.example, set()).add(digest)
    return Now(found, digests, data.places(), renderer), None


def _facts(suspect: Suspect, now: Now) -> dict[str, Any]:
    row = now.rows.get(suspect.digest)
    text = _excerpt(row, now.renderer) if row and now.renderer else None
    return {**asdict(suspect), "place": now.places.get(suspect.example), "text": text}


def _excerpt(row: Row, renderer: Renderer) -> str:
    """The end of what the model read, and the beginning of what it was to write."""
    prompt = " ".join(renderer.decode(row.ids[: row.answer_start]).split())
    answer = " ".join(renderer.decode(row.ids[row.answer_start :]).split())
    before = prompt if len(prompt) <= _EXCERPT else f"…{prompt[-_EXCERPT:]}"
    return f"{before} → {answer if len(answer) <= _EXCERPT else f'{answer[:_EXCERPT]}…'}"


def _head(found: Explanation, unread: str | None) -> list[str]:
    usual = (
        f"the {found.before} steps before: {found.mean:.3f} ± {found.deviation:.3f}"
        if found.mean is not None
        else "too few steps before it to compare with"
    )
    verdict = {True: "It is a spike.", False: "It is no spike.", None: "Whether it is a spike cannot be told."}
    lines = [f"Step {found.step}: loss {found.loss:.3f}, gradient {found.norm:.3g}; {usual}. {verdict[found.spike]}"]
    if unread:
        return [*lines, f"The data cannot be read any more, so they are not compared: {unread}"]
    if found.changed:
        what = f"{found.changed} of its {len(found.suspects)} rows are not what was trained on"
        return [*lines, f"The data changed since: {what} (data, task or tokenizer)."]
    return [*lines, "The data are what they were."]


def _body(rows: list[dict[str, Any]]) -> list[str]:
    columns = ("added", "loss", "usual", "seen before", "example", "place", "text")
    told = [
        (
            f"{row['share']:+.3f}",
            f"{row['loss']:.3f}",
            "-" if row["usual"] is None else f"{row['usual']:.3f}",
            f"{row['seen']} times" if row["seen"] else "never",
            row["example"],
            row["place"] or "-",
            row["text"] or _CHANGED,
        )
        for row in rows[:_SHOWN]
    ]
    more = len(rows) - _SHOWN
    return [table(columns, told), *([f"… and {more} more rows."] if more > 0 else [])]


def _finite(value: Any) -> Any:
    """JSON has no number that is not finite; it is told as a word."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
