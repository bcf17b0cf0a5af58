"""Measures one column of a comparison: reuses saved answers, asks for the missing ones and saves them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from kit.engines.answerer import Answerer
from kit.evals.run import Evaluation, Row, evaluate, evaluate_predictor
from kit.evals.saved import Answers
from kit.task import ClassicalBaseline, Example, Task

TUNED, BASE, FEW_SHOT, BASELINE = "tuned", "base", "few-shot", "baseline"
Examples = Sequence[Example[Any, Any]]


async def measure(
    answers: Answers, answerer: Answerer, who: str, examples: Examples, answered: Callable[[bool], None]
) -> Evaluation:
    """Ask the examples without a saved answer, and save each answer at once; rows in the examples' order.

    `answered` is called once per example: with True if it was asked now, with False if its answer was saved before.
    The evaluation's `seconds` are those of all sessions.
    """
    task = answerer.task.name
    saved, before = answers.of(task, who, examples), answers.seconds(task, who)
    by_id, started = {example.id: example for example in examples}, time.monotonic()
    for _ in saved:
        answered(False)

    def made(row: Row) -> None:
        answers.add(task, who, by_id[row.id], row, before + time.monotonic() - started)
        answered(True)

    found = await evaluate(answerer, examples, progress=made, answered=saved)
    return replace(found, seconds=before + found.seconds)


def measure_baseline(
    answers: Answers, task: Task[Any, Any], trained: Callable[[], Examples], examples: Examples
) -> Evaluation | None:
    """Fit the classical baseline to the training examples, score it, and save its answers; None for a task without.

    `trained` gives the training examples; it is called only for a task that has a baseline.
    """
    if not isinstance(task, ClassicalBaseline):
        return None
    started, by_id = time.monotonic(), {example.id: example for example in examples}

    def made(row: Row) -> None:
        answers.add(task.name, BASELINE, by_id[row.id], row, time.monotonic() - started)

    return evaluate_predictor(task, task.fit_baseline(trained()), examples, made)
