"""The examples and rows of a training run: those of every task, replayed rows, and reference rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from typing import TypeVar

from kit.bundle.training_record import TrainedRecord, TrainedTask
from kit.chat import Renderer
from kit.data.additional import additional_examples, general_rows
from kit.data.assignment import Part
from kit.data.checking.labels import count_labels
from kit.data.keys import Keys
from kit.data.mixture import Mixture, Source, mixed
from kit.data.rows import Dropped, Row, Rows
from kit.data.split import data_digest
from kit.errors import InputError
from kit.project.project import Data, Project, leaks_into
from kit.recipe import Recipe, RowsSection
from kit.train.step.ewc import reference_rows, rows_digest

MEAN = "mean_score"
Item = TypeVar("Item")


@dataclass(frozen=True)
class TrainingData:
    """All rows of a run. Without a `mixture` (one task, no replay) every row is used once per epoch."""

    tasks: tuple[Data, ...]
    rows: tuple[Row, ...]
    validation: tuple[Row, ...]
    reference: tuple[Row, ...]
    mixture: Mixture | None
    dropped: tuple[Dropped, ...]
    digest: str

    @property
    def metric(self) -> str:
        """Name of the score that chooses the checkpoint: the task's main metric, or the mean over several tasks."""
        return self.tasks[0].task.main_metric if len(self.tasks) == 1 else MEAN

    @property
    def higher_is_better(self) -> bool:
        """Whether a higher score is better."""
        task = self.tasks[0].task
        return task.metrics[task.main_metric].higher_is_better

    def places(self) -> dict[str, str]:
        """Return the file and line of each training example, by the example name that the rows use."""
        several = len(self.tasks) > 1
        return {
            f"{data.task.name}/{example}" if several else example: place
            for data in self.tasks
            for example, place in data.train_file.places.items()
        }

    def shares(self) -> dict[str, float]:
        """Return the share of each source in the training rows, from 0 to 1."""
        return self.mixture.shares() if self.mixture else {self.tasks[0].task.name: 1.0}


def gather(project: Project, recipe: Recipe, renderer: Renderer) -> TrainingData:
    """Read all examples and make all rows. Raises InputError with all problems of the first faulty file."""
    tasks = project.all_data(recipe)
    refuse_opposed(tasks)
    refuse_unsound(project, recipe, tasks)
    train, held = _task_rows(tasks, renderer, "train"), _task_rows(tasks, renderer, "validation")
    replayed = _general_rows(project, recipe, recipe.train.replay, renderer)
    reference = _general_rows(project, recipe, recipe.train.ewc, renderer)
    mixture = _mixture(recipe, tasks, train, replayed)
    return TrainingData(
        tasks=tuple(tasks),
        rows=mixture.rows if mixture else train[0].rows,
        validation=tuple(interleaved(rows.rows for rows in held)),
        reference=_reference(recipe, reference),
        mixture=mixture,
        dropped=tuple(chain.from_iterable(rows.dropped for rows in (*train, *held, replayed, reference) if rows)),
        digest=_digest(tasks, {"replay": replayed, "ewc": reference}),
    )


def refuse_unsound(project: Project, recipe: Recipe, tasks: Sequence[Data]) -> None:
    """Raise InputError for an empty part of the data, and for test examples among the training examples."""
    for data in tasks:
        data.require_sound()
    if problems := [problem for each in _general(recipe) for problem in leaks_into(project.root, each, tasks)]:
        raise InputError(problems)


def refuse_opposed(tasks: Sequence[Data]) -> None:
    """Raise InputError if higher is better for some tasks' main metrics and lower for others: their mean is useless."""
    if len({data.task.metrics[data.task.main_metric].higher_is_better for data in tasks}) > 1:
        what = "For some main metrics higher is better, for others lower, so no single score can choose the checkpoint."
        raise InputError(what, "tasks", "Train these tasks separately, or change the sign of one metric.")


def record_of(project: Project, recipe: Recipe, tasks: Sequence[Data]) -> TrainedRecord:
    """Return the record of training and validation examples for a bundle: their keys and label counts."""
    used = {data.task.name: [*data.examples("train"), *data.examples("validation")] for data in tasks}
    labels = {data.task.name: dict(sorted(count_labels(data.task, used[data.task.name]).items())) for data in tasks}
    for section in _general(recipe):
        if section.use is not None:
            task, file = additional_examples(project.root, section)
            used.setdefault(task.name, []).extend(file.examples)
    keys = {name: Keys.of(examples) for name, examples in used.items()}
    return TrainedRecord(
        tasks={
            name: TrainedTask(requests=sorted(each.requests), groups=sorted(each.groups), labels=labels.get(name, {}))
            for name, each in keys.items()
        }
    )


def interleaved(columns: Iterable[Iterable[Item]]) -> list[Item]:
    """Return the items of all columns in turn (round robin), so that the first items come from every column."""
    nothing = object()
    turns = zip_longest(*columns, fillvalue=nothing)
    return [item for turn in turns for item in turn if item is not nothing]  # type: ignore[misc]


# --- rows -------------------------------------------------------------------------------------------------------


def _general(recipe: Recipe) -> list[RowsSection]:
    """Return the recipe's sections for additional rows (replay, EWC)."""
    return [section for section in (recipe.train.replay, recipe.train.ewc) if section is not None]


def _task_rows(tasks: Sequence[Data], renderer: Renderer, part: Part) -> list[Rows]:
    return [_named(data.rows(renderer, part), data.task.name if len(tasks) > 1 else "") for data in tasks]


def _general_rows(project: Project, recipe: Recipe, section: RowsSection | None, renderer: Renderer) -> Rows | None:
    if section is None:
        return None
    return general_rows(project.root, section, renderer, recipe.train.max_length, recipe.data.too_long)


def _mixture(recipe: Recipe, tasks: Sequence[Data], train: Sequence[Rows], replayed: Rows | None) -> Mixture | None:
    weights = [section.weight for section in recipe.tasks]
    sources = [Source(d.task.name, made.rows, w) for d, made, w in zip(tasks, train, weights, strict=True)]
    return mixed(sources, Source("replay", _named(replayed, "replay").rows) if replayed else None, recipe.train)


def _reference(recipe: Recipe, reference: Rows | None) -> tuple[Row, ...]:
    ewc = recipe.train.ewc
    return tuple(reference_rows(reference.rows, ewc.rows)) if reference and ewc else ()


def _named(rows: Rows, source: str) -> Rows:
    """Prefix the examples' names with the source, because two sources may use the same names."""
    if not source:
        return rows
    return replace(rows, rows=tuple(replace(row, example=f"{source}/{row.example}") for row in rows.rows))


def _digest(tasks: Sequence[Data], general: Mapping[str, Rows | None]) -> str:
    """Return the SHA-256 of all examples of the run: training, validation, replay and reference."""
    examples = ([*data.examples("train"), *data.examples("validation")] for data in tasks)
    own = data_digest(chain.from_iterable(examples))
    found = sorted({name: rows_digest(rows.rows) for name, rows in general.items() if rows}.items())
    return hashlib.sha256(f"{own} {found}".encode()).hexdigest() if found else own
