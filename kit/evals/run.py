"""Asks a task's examples concurrently, and keeps the record of each one for the metrics.

An unreadable answer is not left out: that would favour a model that stops early. It is scored like no answer at all,
`task.read(request, ())`. If the task cannot read that either, the example stays unscored, and a gate over unscored
examples never holds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kit.engines.answerer import Answerer, run_concurrently
from kit.errors import InputError
from kit.metrics.intervals import value_of
from kit.metrics.reductions import ratio_of
from kit.task import Completion, Example, Metric, Predictor, Record, ScoresNoAnswer, Task, UnreadableAnswer, labels_of

STOP_RATE = "stop_rate"
_STOP_RATE = ratio_of("stopped", "completions", description="Share of completions that end before the token limit")


@dataclass(frozen=True)
class Row:
    """The result of one example.

    `record` is None if the example could not be scored; `error` says why its answer could not be read. `work` counts
    completions, those that the model ended, and answer tokens; it is empty for an answer without a model.
    `response` is the answer as JSON-able data, None if it could not be read: then `wrote` has the model's own
    text. `expected` and `labels` are the labels of the example and of the answer, for a task that has labels.
    """

    id: str
    group: str
    record: Record | None
    work: Record
    error: str = ""
    response: Any = None
    expected: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    wrote: tuple[str, ...] = ()

    @property
    def was_asked(self) -> bool:
        """Whether the model wrote anything for it: a prompt that does not fit the context is never asked."""
        return bool(self.work) or not self.error


@dataclass(frozen=True)
class Evaluation:
    """All rows of one model on one set of examples, in the order of the examples, and the seconds that it took."""

    rows: tuple[Row, ...]
    seconds: float

    @property
    def unreadable(self) -> int:
        """Number of examples whose answer could not be read."""
        return sum(bool(row.error) for row in self.rows)

    @property
    def unscored(self) -> int:
        """Number of examples that count in no metric of the task."""
        return sum(row.record is None for row in self.rows)

    @property
    def answer_tokens(self) -> int:
        """Number of tokens that the model wrote in all."""
        return int(sum(row.work.get("tokens", 0) for row in self.rows))

    def records(self, metric: str) -> list[Record | None]:
        """Return each row's record for a metric; None if it could not be scored."""
        return [row.work or None if metric == STOP_RATE else row.record for row in self.rows]

    def value(self, metric: str, definition: Metric) -> float | None:
        """Return a metric over all scored rows; None if it cannot be measured."""
        return value_of(definition, self.records(metric))


def metrics_of(task: Task[Any, Any]) -> dict[str, Metric]:
    """Return the metrics that a task is scored by: its main one first, then its others, then the stop rate."""
    main = {task.main_metric: task.metrics[task.main_metric]}
    return {**main, **task.metrics, STOP_RATE: _STOP_RATE}


def values_of(task: Task[Any, Any], evaluation: Evaluation) -> dict[str, float | None]:
    """Return every metric of a task by name; None if it cannot be measured."""
    return {name: evaluation.value(name, metric) for name, metric in metrics_of(task).items()}


async def evaluate(
    answerer: Answerer,
    examples: Sequence[Example[Any, Any]],
    concurrency: int = 32,
    progress: Callable[[Row], None] | None = None,
    answered: Mapping[str, Row] | None = None,
) -> Evaluation:
    """Ask all examples, up to `concurrency` at a time so that the engine can batch them; rows in the examples' order.

    `progress` is called with each row as it is done. `answered` are earlier rows by id: they are reused, not
    asked again. An engine that fails ends the evaluation with its own error.
    """
    slots, known = asyncio.Semaphore(concurrency), answered or {}

    async def ask(example: Example[Any, Any]) -> Row:
        if example.id in known:
            return known[example.id]
        async with slots:
            row = await _ask(answerer, example)
        if progress is not None:
            progress(row)
        return row

    started = time.monotonic()
    rows = await run_concurrently([ask(example) for example in examples])
    return Evaluation(tuple(rows), time.monotonic() - started)


def evaluate_predictor(
    task: Task[Any, Any],
    predictor: Predictor,
    examples: Sequence[Example[Any, Any]],
    progress: Callable[[Row], None] | None = None,
) -> Evaluation:
    """Score a predictor without a language model on the same examples."""
    started, rows = time.monotonic(), list[Row]()
    for example in examples:
        response = predictor(example.request)
        rows.append(_row(task, example, task.observe(example.response, response), {}, response=response))
        if progress is not None:
            progress(rows[-1])
    return Evaluation(tuple(rows), time.monotonic() - started)


async def _ask(answerer: Answerer, example: Example[Any, Any]) -> Row:
    task = answerer.task
    if (shortcut := await answerer.shortcut(example.request)) is not None:
        return _row(task, example, task.observe(example.response, shortcut), {}, response=shortcut)
    try:
        completions, _ = await answerer.complete(example.request)
    except InputError as error:  # the prompt does not fit the context: this example was never asked
        return _row(task, example, None, {}, error=str(error))
    work = _work(completions)
    try:
        response = task.read(example.request, completions)
    except UnreadableAnswer as error:
        wrote = tuple(completion.text for completion in completions)
        return _row(task, example, _without_answer(task, example), work, error=str(error), wrote=wrote)
    return _row(task, example, task.observe(example.response, response), work, response=response)


def _row(
    task: Task[Any, Any],
    example: Example[Any, Any],
    record: Record | None,
    work: Record,
    *,
    response: Any = None,
    error: str = "",
    wrote: tuple[str, ...] = (),
) -> Row:
    return Row(
        id=example.id,
        group=example.group,
        record=record,
        work=work,
        error=error,
        response=response.model_dump(mode="json") if response is not None else None,
        expected=labels_of(task, example.request, example.response),
        labels=_labels(task, example, response) if response is not None else (),
        wrote=wrote,
    )


def _labels(task: Task[Any, Any], example: Example[Any, Any], response: Any) -> tuple[str, ...]:
    """Return the labels of an answer; empty if the task cannot make targets from it."""
    try:
        return labels_of(task, example.request, response)
    except (InputError, ValueError, LookupError):
        return ()


def _without_answer(task: Task[Any, Any], example: Example[Any, Any]) -> Record | None:
    """Score an example like no answer at all; None if the task cannot do that."""
    if isinstance(task, ScoresNoAnswer):
        return task.observe_nothing(example.response)
    try:
        return task.observe(example.response, task.read(example.request, ()))
    except (UnreadableAnswer, ValueError, LookupError):
        return None


def _work(completions: Sequence[Completion]) -> Mapping[str, float]:
    return {
        "completions": len(completions),
        "stopped": sum(completion.finish == "stop" for completion in completions),
        "tokens": sum(len(completion.token_ids) for completion in completions),
    }
