"""What a run trains on and is measured by: the rows of every task, replayed rows, reference rows, and the scorer."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from kit.bundle.trained import TrainedRecord
    from kit.chat import Renderer
    from kit.data.mixture import Mixture
    from kit.data.rows import Dropped, Row, Rows
    from kit.project.project import Data, Project
    from kit.recipe import Recipe
    from kit.train.job import Scorer

MEAN = "mean_score"
Item = TypeVar("Item")


@dataclass(frozen=True)
class TrainingData:
    """All rows of a run. `mixture` is None where one task is all there is: then every row comes once an epoch."""

    tasks: tuple[Data, ...]
    rows: tuple[Row, ...]
    validation: tuple[Row, ...]
    reference: tuple[Row, ...]
    mixture: Mixture | None
    dropped: tuple[Dropped, ...]
    digest: str

    @property
    def metric(self) -> str:
        """The figure that chooses the checkpoint: the task's main metric, or the mean of the tasks' main metrics."""
        return self.tasks[0].task.main_metric if len(self.tasks) == 1 else MEAN

    @property
    def higher_is_better(self) -> bool:
        """Whether more of that figure is better."""
        task = self.tasks[0].task
        return task.metrics[task.main_metric].higher_is_better

    def places(self) -> dict[str, str]:
        """The file and line of each example that a row may name."""
        several = len(self.tasks) > 1
        return {
            f"{data.task.name}/{example}" if several else example: place
            for data in self.tasks
            for example, place in data.train_file.places.items()
        }

    def shares(self) -> dict[str, float]:
        """The share of every source in the rows that are trained on."""
        return self.mixture.shares() if self.mixture else {self.tasks[0].task.name: 1.0}


def gather(project: Project, recipe: Recipe, renderer: Renderer) -> TrainingData:
    """Read all examples and make all rows. Raises InputError with what is wrong with the first file that has faults."""
    from kit.data.general import general_rows
    from kit.data.mixture import Source, mixed
    from kit.train.step.ewc import reference_rows, rows_digest

    tasks = project.all_data(recipe)
    refuse_opposed(tasks)
    refuse_unsound(project, recipe, tasks)
    several, settings = len(tasks) > 1, recipe.train
    train = [_named(data.rows(renderer, "train"), data.task.name if several else "") for data in tasks]
    held = [_named(data.rows(renderer, "validation"), data.task.name if several else "") for data in tasks]

    def beside(section: Any) -> Rows | None:
        if section is None:
            return None
        return general_rows(project.root, section, renderer, settings.max_length, recipe.data.too_long)

    replayed, reference = beside(settings.replay), beside(settings.ewc)
    weights = [section.weight for section in recipe.tasks]
    sources = [Source(d.task.name, made.rows, w) for d, made, w in zip(tasks, train, weights, strict=True)]
    mixture = mixed(sources, Source("replay", _named(replayed, "replay").rows) if replayed else None, settings)
    made = [*train, *held, *(rows for rows in (replayed, reference) if rows is not None)]
    beside_rows = {name: rows_digest(rows.rows) for name, rows in (("replay", replayed), ("ewc", reference)) if rows}
    return TrainingData(
        tasks=tuple(tasks),
        rows=mixture.rows if mixture else train[0].rows,
        validation=tuple(interleaved(rows.rows for rows in held)),
        reference=tuple(reference_rows(reference.rows, settings.ewc.rows)) if reference and settings.ewc else (),
        mixture=mixture,
        dropped=tuple(chain.from_iterable(rows.dropped for rows in made)),
        digest=_digest(tasks, beside_rows),
    )


def refuse_unsound(project: Project, recipe: Recipe, tasks: Sequence[Data]) -> None:
    """Raise InputError where a part is empty, or where what measures is also trained on."""
    from kit.errors import InputError
    from kit.project.project import leaks_beside

    for data in tasks:
        data.require_sound()
    sections = [section for section in (recipe.train.replay, recipe.train.ewc) if section is not None]
    if problems := [problem for section in sections for problem in leaks_beside(project.root, section, tasks)]:
        raise InputError(problems)


def record_of(project: Project, recipe: Recipe, tasks: Sequence[Data]) -> TrainedRecord:
    """Return what a bundle keeps of the examples that it is trained on and that choose its checkpoint."""
    from kit.bundle.trained import TrainedRecord, TrainedTask
    from kit.data.checking.labels import count_labels
    from kit.data.general import examples_beside
    from kit.data.keys import Keys

    used = {data.task.name: [*data.examples("train"), *data.examples("validation")] for data in tasks}
    labels = {data.task.name: dict(sorted(count_labels(data.task, used[data.task.name]).items())) for data in tasks}
    for section in (recipe.train.replay, recipe.train.ewc):
        if section is not None and section.use is not None:
            task, file = examples_beside(project.root, section)
            used.setdefault(task.name, []).extend(file.examples)
    keys = {name: Keys.of(examples) for name, examples in used.items()}
    return TrainedRecord(
        tasks={
            name: TrainedTask(requests=sorted(each.requests), groups=sorted(each.groups), labels=labels.get(name, {}))
            for name, each in keys.items()
        }
    )


def refuse_opposed(tasks: Sequence[Data]) -> None:
    """Raise InputError where the mean of the main metrics would say nothing, since they point both ways."""
    from kit.errors import InputError

    if len({data.task.metrics[data.task.main_metric].higher_is_better for data in tasks}) > 1:
        what = "Of some tasks' main metrics more is better, of others less: no one figure can choose the checkpoint."
        raise InputError(what, "tasks", "Train them apart, or turn one of the metrics round.")


def interleaved(columns: Iterable[Iterable[Item]]) -> list[Item]:
    """Return the items of all columns, one of each in turn, so that the first ones are of every column."""
    nothing = object()
    turns = zip_longest(*columns, fillvalue=nothing)
    return [item for turn in turns for item in turn if item is not nothing]  # type: ignore[misc]


def scorer(data: TrainingData, recipe: Recipe, renderer: Renderer) -> Scorer:
    """Return what measures a half-trained model: each task's own metrics on its validation examples.

    Of several tasks, a figure is called TASK.METRIC, and the mean of the main metrics stands beside them.
    """
    import asyncio

    examples = [each.examples("validation") for each in data.tasks]

    async def measure(model: Any) -> Mapping[str, float | None]:
        from kit.cli.wiring import running
        from kit.engines.answerer import Answerer
        from kit.engines.local import LocalEngine
        from kit.evals.run import evaluate, values_of

        engine = LocalEngine.from_model(model, renderer, max_length=recipe.serve.max_length)
        async with running(engine):
            found = [
                values_of(each.task, await evaluate(Answerer(each.task, renderer, engine), asked))
                for each, asked in zip(data.tasks, examples, strict=True)
            ]
        return found[0] if len(found) == 1 else _together(data.tasks, found)

    return lambda model: asyncio.run(measure(model))


def _together(tasks: Sequence[Data], found: Sequence[Mapping[str, float | None]]) -> dict[str, float | None]:
    """Every figure under its task's name, and the mean of the main ones; None where one of them was not measured."""
    mains = [values[data.task.main_metric] for data, values in zip(tasks, found, strict=True)]
    known = [value for value in mains if value is not None]
    mean = sum(known) / len(known) if len(known) == len(mains) else None
    named = {
        f"{data.task.name}.{name}": value
        for data, values in zip(tasks, found, strict=True)
        for name, value in values.items()
    }
    return {MEAN: mean, **named}


def _named(rows: Rows, source: str) -> Rows:
    """Put the source before the names of the examples, since two sources may use the same ones."""
    if not source:
        return rows
    return replace(rows, rows=tuple(replace(row, example=f"{source}/{row.example}") for row in rows.rows))


def _digest(tasks: Sequence[Data], beside: Mapping[str, str]) -> str:
    """SHA-256 of the examples that training sees, those that choose the checkpoint and those beside them included."""
    from kit.data.split import data_digest

    own = data_digest(
        chain.from_iterable(
            [*data.examples("train"), *data.examples("validation")] for data in tasks
        )
    )  # fmt: skip
    return own if not beside else hashlib.sha256(f"{own} {sorted(beside.items())}".encode()).hexdigest()
