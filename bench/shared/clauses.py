"""Small tasks on the clauses of the legal template, trained on nano in float32: cheap enough to train many times."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel

from bench.shared.harness import ROOT, Figure, interval_text
from bench.shared.tuning import THREADS, evaluate_adapter
from kit.base import NANO, Base
from kit.chat import Renderer
from kit.data.mixture import Mixture
from kit.data.rows import Row, build_rows
from kit.evals.run import Evaluation
from kit.metrics.intervals import Change, change_between, draw_groups, sample
from kit.metrics.reductions import mean_of
from kit.recipe import TrainSection
from kit.task import Choices, Completion, Example, Message, Metric, Prompt, Record, Strict, Task, Text
from kit.train.job import Trained, TrainJob
from kit.train.loop import train

FIRST = ("assignment", "audit rights", "confidentiality", "exclusivity", "governing law", "insurance")
SECOND = ("liability cap", "non compete", "payment terms", "renewal", "termination for convenience", "warranty period")
RENDERER = Renderer(NANO)
_DATA = ROOT / "templates" / "legal" / "data"
_LONGEST = 512
_ACCURACY = mean_of("right")


class Clause(Strict):
    """The text of a clause."""

    text: str


class Kind(Strict):
    """The kind of a clause."""

    label: str


class Kinds(Task[Clause, Kind]):
    """Name the kind of a clause, from a closed set."""

    name = "kinds"
    route = "/v1/kinds"
    request_type: ClassVar[type[BaseModel]] = Clause
    response_type: ClassVar[type[BaseModel]] = Kind
    metrics: ClassVar = {"accuracy": _ACCURACY}
    main_metric = "accuracy"

    class Options(Task.Options):
        """The kinds to choose from."""

        labels: tuple[str, ...]

    def prompts(self, request: Clause) -> list[Prompt]:
        """One instruction, equal for all kinds, then the clause."""
        system = Message("system", (Text("Name the kind of clause.", trusted=True),))
        return [Prompt(Choices(self.options.labels), 16, (system, Message.of("user", request.text)))]

    def targets(self, request: Clause, response: Kind) -> list[str]:  # noqa: ARG002
        """The label."""
        return [response.label]

    def read(self, request: Clause, completions: Sequence[Completion]) -> Kind:  # noqa: ARG002
        """The label as generated; empty without an answer."""
        return Kind(label=completions[0].text if completions else "")

    def observe(self, expected: Kind, actual: Kind) -> Record:
        """Whether the label is right."""
        return {"right": float(expected == actual)}


@dataclass(frozen=True)
class Part:
    """A task of six kinds, with the examples that train it, select its checkpoint and test it."""

    task: Kinds
    train: list[Example[Clause, Kind]]
    validation: list[Example[Clause, Kind]]
    test: list[Example[Clause, Kind]]

    @property
    def rows(self) -> tuple[Row, ...]:
        """The training rows."""
        return rows_of(self.task, self.train)


@dataclass(frozen=True)
class Tuned:
    """A finished run, and the evaluation of its checkpoint on the test examples of every part."""

    trained: Trained
    tests: Mapping[str, Evaluation]


def part(labels: tuple[str, ...], train_rows: int, tests: int, validation: int = 0, seed: int = 0) -> Part:
    """Return a task of these kinds with this many examples, drawn with the seed."""
    examples = _examples("train", labels, seed)
    held_out = {each.group for each in examples[:validation]}
    kept = [each for each in examples[validation:] if each.group not in held_out]
    task = Kinds(Kinds.Options(labels=labels))
    return Part(task, kept[:train_rows], examples[:validation], _examples("test", labels, seed)[:tests])


def rows_of(task: Kinds, examples: Sequence[Example[Any, Any]]) -> tuple[Row, ...]:
    """Render examples as training rows."""
    return build_rows(task, RENDERER, examples, _LONGEST, "refuse").rows if examples else ()


def tune(
    base: Base, rows: Sequence[Row], parts: Mapping[str, Part], folder: Path, *,
    mixture: Mixture | None = None, reference: Sequence[Row] = (), validation: Sequence[Row] = (), **settings: Any,
) -> Tuned:  # fmt: skip
    """Train on rows, and test the checkpoint that the run would publish on every part."""
    section = TrainSection.model_validate({"learning_rate": 2e-3, "epochs": 1, "evaluations": 1, **settings})
    job = TrainJob(
        base=base, dtype="float32", section=section, rows=rows, validation=validation, pad_id=RENDERER.pad_id,
        folder=folder, threads=THREADS, mixture=mixture, reference=reference,
    )  # fmt: skip
    trained = train(job, None, lambda _: None)
    tests = {
        name: evaluate_adapter(each.task, base, trained.adapter, each.test, _LONGEST) for name, each in parts.items()
    }
    return Tuned(trained, tests)


def accuracy(found: Evaluation) -> float:
    """Return the share of right answers."""
    value = found.value("accuracy", _ACCURACY)
    return 0.0 if value is None else value


def difference(
    before: Evaluation, after: Evaluation, name: str = "accuracy", metric: Metric = _ACCURACY
) -> Change | None:
    """Return after minus before on the same examples, with a paired interval over documents."""
    groups = [row.group for row in before.rows]
    draws = draw_groups(groups)
    first, second = (sample(metric, groups, found.records(name), draws) for found in (before, after))
    return change_between(first, second, higher_is_better=True)


def change_figure(change: Change | None) -> Figure:
    """Return a change as a figure."""
    if change is None:
        return {"change": "not measured"}
    interval = change.interval
    text = interval_text(interval.low, interval.high) if interval else "not measured"
    return {"change": round(change.difference, 3), "interval": text, "verdict": change.verdict}


def documents(split: str) -> list[dict[str, Any]]:
    """Return the documents of the legal template, as they are in its file."""
    return [json.loads(line) for line in (_DATA / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()]


def _examples(split: str, labels: tuple[str, ...], seed: int) -> list[Example[Clause, Kind]]:
    found = []
    for row in documents(split):
        for number, clause in enumerate(row["response"]["clauses"]):
            label = clause["label"].replace("_", " ")
            if label in labels:
                request, response = Clause(text=" ".join(clause["exact"].split())), Kind(label=label)
                name = f"{row['id']}-{number}"
                found.append(Example[Clause, Kind](id=name, group=row["group"], request=request, response=response))
    random.Random(seed).shuffle(found)
    return found
