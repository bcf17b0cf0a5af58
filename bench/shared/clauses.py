"""Short tasks on the legal template's own clauses, tuned on nano in float32: cheap enough to be tuned many times."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel

from bench.shared.commands import ROOT
from kit.base import NANO, Base
from kit.chat import Renderer
from kit.data.mixture import Mixture
from kit.data.rows import Row, build_rows
from kit.engines.answerer import Answerer
from kit.engines.base import EngineConfig
from kit.engines.local import LocalEngine
from kit.evals.run import Evaluation, evaluate
from kit.metrics.intervals import Change, Interval, change_between, draw_groups, sample
from kit.metrics.reductions import mean_of
from kit.recipe import TrainSection
from kit.task import Choices, Completion, Example, Message, Metric, Prompt, Record, Strict, Task, Text
from kit.train.job import Trained, TrainJob
from kit.train.loop import train
from kit.workflows.steps.engines import running

FIRST = ("assignment", "audit rights", "confidentiality", "exclusivity", "governing law", "insurance")
SECOND = ("liability cap", "non compete", "payment terms", "renewal", "termination for convenience", "warranty period")
RENDERER = Renderer(NANO)
_DATA = ROOT / "templates" / "legal" / "data"
_LONGEST = 512
_ADAPTER = "tuned"
_ACCURACY = mean_of("right")


class Clause(Strict):
    """The words of a clause."""

    text: str


class Kind(Strict):
    """What kind of clause it is."""

    label: str


class Kinds(Task[Clause, Kind]):
    """Says which of some kinds a clause is of."""

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
        """The same instruction for any kinds, then the clause."""
        system = Message("system", (Text("Name the kind of clause.", trusted=True),))
        return [Prompt(Choices(self.options.labels), 16, (system, Message.of("user", request.text)))]

    def targets(self, request: Clause, response: Kind) -> list[str]:  # noqa: ARG002
        """The label."""
        return [response.label]

    def read(self, request: Clause, completions: Sequence[Completion]) -> Kind:  # noqa: ARG002
        """The label as it was written; without an answer it is none."""
        return Kind(label=completions[0].text if completions else "")

    def observe(self, expected: Kind, actual: Kind) -> Record:
        """Right or not."""
        return {"right": float(expected == actual)}


@dataclass(frozen=True)
class Part:
    """A task of six kinds: what it is trained on, what chooses its checkpoint, and what it is tested on."""

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
    """A finished run, and what every part's test said of its checkpoint."""

    trained: Trained
    tests: Mapping[str, Evaluation]


def part(labels: tuple[str, ...], train_rows: int, tests: int, validation: int = 0, seed: int = 0) -> Part:
    """Return a task of these kinds with this many examples, drawn by the seed."""
    learned = _examples("train", labels, seed)
    held = {each.group for each in learned[:validation]}
    kept = [each for each in learned[validation:] if each.group not in held]
    task = Kinds(Kinds.Options(labels=labels))
    return Part(task, kept[:train_rows], learned[:validation], _examples("test", labels, seed)[:tests])


def rows_of(task: Kinds, examples: Sequence[Example[Any, Any]]) -> tuple[Row, ...]:
    """Return examples as rows."""
    return build_rows(task, RENDERER, examples, _LONGEST, "refuse").rows if examples else ()


def tune(
    base: Base, rows: Sequence[Row], parts: Mapping[str, Part], folder: Path, *,
    mixture: Mixture | None = None, reference: Sequence[Row] = (), validation: Sequence[Row] = (), **settings: Any,
) -> Tuned:  # fmt: skip
    """Tune a base on rows, and test the checkpoint that the run would publish on every part."""
    section = TrainSection.model_validate({"learning_rate": 2e-3, "epochs": 1, "evaluations": 1, **settings})
    job = TrainJob(
        base=base, dtype="float32", section=section, rows=rows, validation=validation, pad_id=RENDERER.pad_id,
        folder=folder, threads=1, mixture=mixture, reference=reference,
    )  # fmt: skip
    trained = train(job, None, lambda _: None)
    return Tuned(trained, asyncio.run(_tests(base, trained, parts)))


async def _tests(base: Base, trained: Trained, parts: Mapping[str, Part]) -> dict[str, Evaluation]:
    adapters = {_ADAPTER: trained.adapter}
    config = EngineConfig(base.folder, dtype="float32", max_length=_LONGEST, adapters=adapters, threads=1)
    async with running(LocalEngine(config)) as engine:
        return {
            name: await evaluate(Answerer(each.task, RENDERER, engine, _ADAPTER), each.test)
            for name, each in parts.items()
        }


def accuracy(found: Evaluation) -> float:
    """Share of right answers."""
    value = found.value("accuracy", _ACCURACY)
    return 0.0 if value is None else value


def difference(
    before: Evaluation, after: Evaluation, name: str = "accuracy", metric: Metric = _ACCURACY
) -> Change | None:
    """Second less first on the same examples, with its paired interval over documents."""
    groups = [row.group for row in before.rows]
    draws = draw_groups(groups)
    first, second = (sample(metric, groups, found.records(name), draws) for found in (before, after))
    return change_between(first, second, higher_is_better=True)


def shown(change: Change | None) -> dict[str, float | int | str]:
    """Return a change as a bench reports it."""
    if change is None:
        return {"change": "not measured"}
    where: Interval | None = change.interval
    spread = f"{where.low:+.3f} to {where.high:+.3f}" if where else "not measured"
    return {"change": round(change.difference, 3), "interval": spread, "verdict": change.verdict}


def _examples(split: str, labels: tuple[str, ...], seed: int) -> list[Example[Clause, Kind]]:
    found = []
    for line in (_DATA / f"{split}.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        for number, clause in enumerate(row["response"]["clauses"]):
            label = clause["label"].replace("_", " ")
            if label in labels:
                request, response = Clause(text=" ".join(clause["exact"].split())), Kind(label=label)
                name = f"{row['id']}-{number}"
                found.append(Example[Clause, Kind](id=name, group=row["group"], request=request, response=response))
    random.Random(seed).shuffle(found)
    return found
