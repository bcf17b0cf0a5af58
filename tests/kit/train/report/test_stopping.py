"""Early stopping: when a run stops, and that a resumed run makes the same decision."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from kit.recipe import EarlyStoppingSection
from kit.train.events import Evaluated, Event, Stepped, StoppedEarly
from kit.train.job import StepEvaluation
from kit.train.loop import train
from kit.train.report.stopping import should_stop
from tests.kit.train.parts import job, section

ON_LOSS = EarlyStoppingSection(on="validation_loss", patience=2)
ON_SCORE = EarlyStoppingSection(on="score", patience=2)


def losses(*values: float | None) -> list[StepEvaluation]:
    return [StepEvaluation(step, value) for step, value in enumerate(values)]


def scored(*values: float | None) -> list[StepEvaluation]:
    return [StepEvaluation(step, 1.0, value) for step, value in enumerate(values)]


def silent(_: Event) -> None:
    """Report nothing."""


def scores(*values: float) -> Callable[[Any], Mapping[str, float]]:
    left = iter(values)
    return lambda _: {"score": next(left)}


def test_it_stops_after_patience_evaluations_without_improvement() -> None:
    assert not should_stop(losses(3.0, 2.0, 2.1), ON_LOSS, True)
    assert should_stop(losses(3.0, 2.0, 2.1, 2.0), ON_LOSS, True)
    assert not should_stop(losses(3.0, 2.0, 2.1, 1.9, 2.0), ON_LOSS, True)


def test_a_change_below_min_delta_is_no_improvement() -> None:
    history = losses(3.0, 2.0, 1.95, 1.9)
    assert not should_stop(history, ON_LOSS, True)
    assert should_stop(history, ON_LOSS.model_copy(update={"min_delta": 0.2}), True)


def test_a_score_is_read_in_its_own_direction() -> None:
    history = scored(None, 0.5, 0.6, 0.7)
    assert not should_stop(history, ON_SCORE, higher_is_better=True)
    assert should_stop(history, ON_SCORE, higher_is_better=False)


def test_an_evaluation_that_was_not_measured_is_ignored() -> None:
    assert not should_stop(scored(None, 0.5, None, None, None), ON_SCORE, True)
    assert should_stop(scored(None, 0.5, None, 0.5, None, 0.4), ON_SCORE, True)


def test_without_the_setting_a_run_never_stops_early() -> None:
    assert not should_stop(losses(1.0, 2.0, 3.0, 4.0), None, True)


def test_a_run_ends_early_publishes_its_best_and_counts_only_what_it_trained(tmp_path: Path) -> None:
    events: list[Event] = []
    settings = section(evaluations=6, early_stopping={"on": "score", "patience": 2})
    trained = train(job(tmp_path, train=settings, metric="score"), scores(0.1, 0.9, 0.5, 0.6), events.append)
    assert (trained.step, trained.score) == (2, 0.9)
    assert [event.step for event in events if isinstance(event, Stepped)] == [1, 2, 3, 4]
    assert [event for event in events if isinstance(event, StoppedEarly)] == [StoppedEarly(4, 6)]
    whole = train(job(tmp_path / "whole", train=section(evaluations=6)), None, silent)
    assert trained.tokens < whole.tokens


def test_a_run_that_ended_early_ends_there_again_when_it_is_resumed(tmp_path: Path) -> None:
    settings = section(evaluations=6, early_stopping={"on": "score", "patience": 1})
    first = train(job(tmp_path, train=settings, metric="score"), scores(0.9, 0.5), silent)
    events: list[Event] = []
    again = train(replace(job(tmp_path, train=settings, metric="score"), resume=True), scores(), events.append)
    assert (again.step, again.tokens) == (first.step, first.tokens)
    assert not any(isinstance(event, Stepped | Evaluated) for event in events)
