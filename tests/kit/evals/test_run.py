"""Evaluation asks concurrently, keeps the order, and counts unreadable answers."""

from __future__ import annotations

import asyncio

import pytest

from kit.errors import KitError
from kit.evals.run import Row, evaluate, evaluate_predictor, metrics_of, values_of
from kit.task import Metric, Record
from tests.kit.evals.words import (
    RENDERER,
    CountingEngine,
    LongWords,
    NeedsAnAnswer,
    Words,
    answerer,
    asked,
    cut,
    examples,
    right,
    run,
    wrong,
)


def test_rows_come_in_the_order_of_the_examples_while_many_are_in_flight() -> None:
    subject = answerer(right)
    assert isinstance(subject.engine, CountingEngine)
    subject.engine.wait_for = 6
    found = asyncio.run(run(subject, examples(20), concurrency=6))
    assert [row.id for row in found.rows] == [f"row-{index}" for index in range(20)]
    assert subject.engine.most_in_flight == 6
    assert values_of(subject.task, found) == {"word_f1": 1.0, "alarms": 0.0, "stop_rate": 1.0}
    assert found.answer_tokens == sum(len(RENDERER.answer(right(f"lantern{index}"))) for index in range(20))


def test_the_main_metric_leads_and_every_task_has_a_stop_rate() -> None:
    assert list(metrics_of(LongWords())) == ["word_f1", "alarms", "stop_rate"]


def test_progress_is_called_for_every_row() -> None:
    heard: list[Row] = []
    asyncio.run(run(answerer(right), examples(5), progress=heard.append))
    assert {row.id for row in heard} == {f"row-{index}" for index in range(5)}


def test_an_answer_that_was_cut_counts_as_no_answer_and_lowers_the_stop_rate() -> None:
    def every_other(text: str) -> str:
        return (cut if int(text.split("lantern")[1].split()[0]) % 2 else right)(text)

    found = asked(every_other, examples(10))
    assert (found.unreadable, found.unscored) == (5, 0)
    assert found.rows[1].record == {"tp": 0, "fp": 0, "fn": 1}
    assert "cut off" in found.rows[1].error
    assert values_of(LongWords(), found) == {"word_f1": pytest.approx(2 / 3), "alarms": 0.0, "stop_rate": 0.5}


class SaysWhatNothingIsWorth(NeedsAnAnswer):
    """It cannot read an empty answer, and says what such an answer adds to the metrics."""

    def observe_nothing(self, expected: Words) -> Record:
        return {"tp": 0.0, "fp": 0.0, "fn": float(len(expected.words))}


def test_a_task_may_say_what_no_answer_is_worth() -> None:
    plain = asked(cut, examples(4), NeedsAnAnswer())
    found = asked(cut, examples(4), SaysWhatNothingIsWorth())
    assert (plain.unreadable, plain.unscored) == (4, 4)
    assert (found.unreadable, found.unscored) == (4, 0)
    assert values_of(SaysWhatNothingIsWorth(), found)["word_f1"] == 0.0


def test_an_unscored_row_still_counts_in_the_stop_rate() -> None:
    task = NeedsAnAnswer()
    found = asked(cut, examples(4), task)
    assert (found.unreadable, found.unscored) == (4, 4)
    assert values_of(task, found) == {"word_f1": None, "alarms": None, "stop_rate": 0.0}


def test_an_example_that_does_not_fit_the_context_is_unscored_and_says_so() -> None:
    found = asyncio.run(run(answerer(right, max_length=34), examples(1)))
    assert found.unscored == 1
    assert "32 tokens" in found.rows[0].error
    assert values_of(LongWords(), found)["stop_rate"] is None


def test_an_engine_that_fails_ends_the_evaluation_with_its_own_sentence() -> None:
    subject = answerer(right)
    assert isinstance(subject.engine, CountingEngine)
    subject.engine.failure = KitError("The engine is gone.")
    with pytest.raises(KitError, match="The engine is gone"):
        asyncio.run(evaluate(subject, examples(3)))


def test_a_baseline_without_a_model_is_scored_on_the_same_records_and_has_no_stop_rate() -> None:
    found = evaluate_predictor(LongWords(), lambda request: Words(words=tuple(request.text.split())), examples(3))
    assert [row.record for row in found.rows] == [{"tp": 1, "fp": 1, "fn": 0}] * 3
    assert values_of(LongWords(), found)["stop_rate"] is None


def test_a_metric_that_is_not_finite_is_not_measured() -> None:
    found = asked(wrong, examples(2))
    assert found.value("word_f1", Metric(lambda records: float("nan"))) is None
