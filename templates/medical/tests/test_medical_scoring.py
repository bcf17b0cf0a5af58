"""Calibration, the risk-coverage curve and the threshold, on cases that can be counted by hand."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from medical_parts import module  # type: ignore[import-not-found]

from kit.task import Record, Task

scoring, threshold = module("scoring"), module("threshold")


def record(confidence: float, right: bool, slice_name: str = "decision") -> Record:
    """What one given answer adds."""
    facts = {"ordinary": 1.0, "answered": 1.0, "confidence": confidence, "wrong": float(not right)}
    return {**facts, "correct": float(right), f"is_{slice_name}": 1.0}


def test_ece_is_the_mean_gap_over_bins_and_can_be_had_by_slice() -> None:
    rows = [record(0.95, True), record(0.95, False), record(0.55, True, "text"), record(1.0, True, "text")]
    by_hand = (3 * abs((0.95 + 0.95 + 1.0) / 3 - 2 / 3) + 1 * abs(0.55 - 1)) / 4
    assert scoring.ece_over().reduce(rows) == pytest.approx(by_hand)
    assert scoring.ece_over("text").reduce(rows) == pytest.approx(0.225)
    assert scoring.ece_over("none").reduce(rows) is None


def test_the_curve_starts_with_the_most_confident_and_ties_share_their_errors() -> None:
    rows = [record(0.9, True), record(0.5, False), record(0.5, True), {"ordinary": 1.0, "answered": 0.0, "wrong": 0.0}]
    curve = scoring.risk_coverage(rows)
    assert curve == [(0.25, 0.0), (0.5, pytest.approx(0.25)), (0.75, pytest.approx(1 / 3))]
    assert scoring.risk_coverage(rows[::-1]) == curve
    assert scoring.AURC.reduce(rows) == pytest.approx((0 + 1 / 4 + 1 / 3) / 3)
    assert scoring.AURC.reduce([]) is None
    assert scoring.RISK.reduce(rows) == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("expected", "actual", "right"),
    [
        ("yes", "yes", True),
        ("yes", "no", False),
        ("text", "text", True),
        ("none", "none", True),
        ("none", "yes", False),
    ],
)
def test_a_verdict_is_right_or_not(task: Task[Any, Any], expected: str, actual: str, right: bool) -> None:
    made = {
        "yes": task.response_type(status="answered", answer="a", decision="yes", evidence=("p",)),
        "no": task.response_type(status="answered", answer="a", decision="no", evidence=("p",)),
        "text": task.response_type(status="answered", answer="a", evidence=("p",)),
        "none": task.response_type(status="abstained", answer="a", reason="not_in_evidence"),
    }
    assert task.observe(made[expected], made[actual])["right"] == float(right)


def test_an_unreadable_answer_is_no_right_abstention(task: Task[Any, Any]) -> None:
    wanted = task.response_type(status="abstained", answer="a", reason="not_in_evidence")
    assert task.observe(wanted, wanted)["right"] == 1.0
    assert task.observe(wanted, wanted.model_copy(update={"reason": "unreadable"}))["right"] == 0.0


def test_the_threshold_is_the_smallest_that_keeps_the_bound() -> None:
    rows = [threshold.Answered(str(n), n / 100, n < 20) for n in range(100)]  # the 20 least sure are wrong
    fitted = threshold.fit(rows, 0.1)
    assert fitted == pytest.approx(0.1001, abs=1e-4)
    assert (100 * threshold.risk(rows, fitted) + 1) / 101 <= 0.1
    assert (100 * threshold.risk(rows, fitted - 0.001) + 1) / 101 > 0.1
    assert threshold.coverage(rows, fitted) == pytest.approx(0.89)
    assert threshold.fit(rows, 0.3) == 0.0
    assert threshold.fit(rows[:5], 0.1) is None
    assert threshold.fit([], 0.1) is None


def test_over_many_draws_the_mean_risk_on_new_questions_is_under_alpha() -> None:
    rng, alpha, risks = random.Random(1), 0.2, []

    def draw(count: int) -> list[Any]:
        sure = [rng.random() for _ in range(count)]
        return [threshold.Answered("g", each, rng.random() > each) for each in sure]

    for _ in range(200):
        fitted = threshold.fit(draw(60), alpha)
        risks.append(threshold.risk(draw(60), fitted))
    assert 0.15 < sum(risks) / len(risks) <= alpha + 0.01


def test_the_script_reads_saved_answers(
    task: Task[Any, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = task.response_type(status="answered", answer="a", decision="yes", evidence=("p",))
    lines = []
    for number in range(200):
        sure = (number + 1) / 200
        given = wanted.model_copy(update={"confidence": sure, "decision": "yes" if number > 50 else "no"})
        facts = {"who": "tuned", "group": f"g{number}", "record": dict(task.observe(wanted, given))}
        lines.append(json.dumps(facts))
    lines.append(json.dumps({"who": "base", "group": "g", "record": {}}))
    file = tmp_path / "answers.jsonl"
    file.write_text("\n".join(lines), encoding="utf-8")
    assert len(threshold.load(file)) == 200
    assert threshold.main([str(file), "--alpha", "0.1"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("abstain_below: 0.")
    assert "other half" in said
    assert threshold.main([str(file), "--alpha", "0.001"]) == 3
    assert "needs at least 999" in capsys.readouterr().err
