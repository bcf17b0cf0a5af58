"""Worse metrics come first, and every gate can be held, failed or unmeasured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kit.errors import InputError
from kit.evals.compare import compare, got_worse
from kit.evals.gates import Gate, judge, outcome_of
from kit.evals.run import Evaluation, evaluate_predictor
from kit.recipe import load_recipe
from kit.task import Task
from tests.kit.evals.words import LongWords, NeedsAnAnswer, Script, Words, asked, cut, examples, right, wrong
from tests.kit.toy import RECIPE

TASK = LongWords()
MAIN, STOPS = "word_f1 not worse than base", "stop_rate not worse than base"


def measured(script: Script, count: int = 30, task: Task[Any, Any] | None = None) -> Evaluation:
    return asked(script, examples(count), task)


def gates(
    tuned: Evaluation, base: Evaluation | None = None, task: Task[Any, Any] = TASK, **thresholds: float
) -> list[Gate]:
    lines = compare(task, tuned, base, resamples=200)
    return list(judge(task, lines, tuned, thresholds))


def outcomes(found: list[Gate]) -> dict[str, str]:
    return {gate.name: gate.outcome for gate in found}


# --- comparison -------------------------------------------------------------------------------------------------


def test_worse_metrics_come_before_the_main_metric() -> None:
    chatty = measured(lambda text: f"{right(text)} noise")
    lines = compare(TASK, tuned=chatty, base=measured(cut), resamples=200)
    assert [line.metric for line in lines] == ["alarms", "word_f1", "stop_rate"]
    assert [line.verdict for line in lines] == ["worse", "better", "better"]
    assert got_worse(lines) == ["alarms"]


def test_a_lower_value_is_better_where_the_metric_says_so() -> None:
    alarms = {line.metric: line for line in compare(TASK, measured(right), measured(wrong), resamples=200)}["alarms"]
    assert alarms.change is not None
    assert (alarms.change.difference, alarms.verdict) == (-1.0, "better")


def test_without_a_base_there_is_no_change() -> None:
    lines = compare(TASK, measured(right), resamples=200)
    assert {line.verdict for line in lines} == {None}
    assert {line.base for line in lines} == {None}


def test_the_baseline_has_its_own_interval() -> None:
    baseline = evaluate_predictor(TASK, lambda request: Words(words=tuple(request.text.split())), examples(30))
    line = compare(TASK, measured(right), measured(wrong), baseline, resamples=200)[0]
    assert line.baseline is not None
    assert line.baseline.value == pytest.approx(2 / 3)
    assert line.baseline.interval is not None


def test_evaluations_of_other_examples_are_not_compared() -> None:
    with pytest.raises(InputError, match="same examples"):
        compare(TASK, measured(right, 29), measured(right, 30))


# --- the default gates: each held, failed, unmeasured -----------------------------------------------------------


def test_default_gates_hold_where_tuning_made_it_better() -> None:
    found = gates(measured(right), measured(wrong))
    assert outcomes(found) == {MAIN: "held", STOPS: "held"}
    assert outcome_of(found) == "held"


def test_the_main_metric_gate_fails_where_tuning_made_it_worse() -> None:
    found = gates(measured(wrong), measured(right))
    assert outcomes(found) == {MAIN: "failed", STOPS: "held"}
    assert outcome_of(found) == "failed"


def test_the_stop_rate_gate_fails_if_the_tuned_model_does_not_stop() -> None:
    assert outcomes(gates(measured(cut), measured(right)))[STOPS] == "failed"


def test_default_gates_without_a_base_are_unmeasured() -> None:
    found = gates(measured(right))
    assert outcomes(found) == {MAIN: "unmeasured", STOPS: "unmeasured"}
    assert outcome_of(found) == "unmeasured"


def test_default_gates_over_unscored_examples_are_unmeasured_even_where_the_rest_is_perfect() -> None:
    def one_cut(text: str) -> str:
        return (cut if "lantern7" in text.split() else right)(text)

    task = NeedsAnAnswer()
    found = gates(measured(one_cut, task=task), measured(wrong, task=task), task)
    assert set(outcomes(found).values()) == {"unmeasured"}
    assert "1 of 30 examples" in found[0].reason


# --- thresholds: each held, failed, unmeasured ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "thresholds", "outcome"),
    [
        (right, {"word_f1": 0.9}, "held"),
        (wrong, {"word_f1": 0.9}, "failed"),
        (right, {"alarms": 0.5}, "held"),
        (wrong, {"alarms": 0.5}, "failed"),
        (right, {"stop_rate": 1.0}, "held"),
        (cut, {"stop_rate": 1.0}, "failed"),
    ],
)
def test_a_threshold_is_the_least_value_or_the_most_where_lower_is_better(
    script: Script, thresholds: dict[str, Any], outcome: str
) -> None:
    found = gates(measured(script), **thresholds)
    assert [gate.outcome for gate in found] == [outcome]
    assert outcome_of(found) == outcome


def three_in_four(text: str) -> str:
    return (wrong if int(right(text).removeprefix("lantern")) % 4 == 0 else right)(text)


@pytest.mark.parametrize(
    ("thresholds", "outcome"),
    [
        ({"word_f1": 0.5}, "held"),
        ({"word_f1": 0.7}, "unmeasured"),
        ({"word_f1": 0.8}, "failed"),
        ({"alarms": 0.5}, "held"),
        ({"alarms": 0.3}, "unmeasured"),
        ({"alarms": 0.2}, "failed"),
    ],
)
def test_a_threshold_holds_only_where_the_whole_interval_passes(thresholds: dict[str, Any], outcome: str) -> None:
    (found,) = gates(measured(three_in_four, 40), **thresholds)
    assert found.outcome == outcome


def test_a_value_that_passes_without_its_interval_names_the_examples_needed() -> None:
    (found,) = gates(measured(three_in_four, 40), word_f1=0.7)
    assert found.reason.startswith("0.750 passes 0.7, but its interval begins at 0.6")
    assert "examples needed" in found.reason
    (found,) = gates(measured(three_in_four, 40), alarms=0.3)
    assert "but its interval ends at 0." in found.reason


def test_a_failed_gate_says_what_it_found_and_what_was_required() -> None:
    assert gates(measured(three_in_four, 40), word_f1=0.8)[0].reason == "0.750, 0.8 required."
    assert gates(measured(three_in_four, 40), alarms=0.2)[0].reason == "0.250, at most 0.2 allowed."


def test_a_base_on_a_sample_is_compared_on_the_examples_of_both() -> None:
    found = {line.metric: line for line in compare(TASK, measured(three_in_four, 40), measured(wrong, 20), None, 200)}
    line = found["word_f1"]
    assert line.base is not None
    assert (line.tuned.rows, line.base.rows) == (40, 20)
    assert line.change is not None
    assert (line.change.rows, line.change.first, line.change.second) == (20, 0.0, 0.75)


@pytest.mark.parametrize("threshold", [".nan", ".inf", "-.inf"])
def test_a_threshold_that_is_not_a_number_is_refused_with_its_line(tmp_path: Path, threshold: str) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"{RECIPE}eval:\n  gates: {{accuracy: {threshold}}}\n")
    with pytest.raises(InputError, match=r"recipe\.yaml:\d+.*eval\.gates\.accuracy"):
        load_recipe(recipe)


@pytest.mark.parametrize("metric", ["word_f1", "alarms", "stop_rate"])
def test_a_threshold_on_too_few_groups_is_unmeasured(metric: str) -> None:
    least: dict[str, Any] = {metric: 0.0}
    found = gates(measured(right, count=9), **least)
    assert [gate.outcome for gate in found] == ["unmeasured"]
    assert "9 groups" in found[0].reason


def test_a_threshold_on_a_metric_without_a_value_is_unmeasured() -> None:
    nothing = evaluate_predictor(TASK, lambda request: Words(words=()), examples(20))
    assert outcomes(gates(nothing, stop_rate=0.5)) == {"stop_rate": "unmeasured"}


def test_a_threshold_on_an_unknown_metric_is_the_users_mistake_with_the_near_miss() -> None:
    with pytest.raises(InputError, match="Did you mean 'word_f1'"):
        gates(measured(right), words_f1=0.5)


def test_a_failed_gate_outweighs_an_unmeasured_one_and_no_gate_is_nothing_measured() -> None:
    held, failed, unknown = (Gate("g", outcome, None, None, "") for outcome in ("held", "failed", "unmeasured"))
    assert outcome_of([held, unknown, failed]) == "failed"
    assert outcome_of([held, unknown]) == "unmeasured"
    assert outcome_of([]) == "unmeasured"
