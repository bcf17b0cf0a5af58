"""The calibration of confidences, on cases that can be counted by hand, and what the task does with it."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from legal_parts import CLAUSE, TEXT, make_task, module, quoted  # type: ignore[import-not-found]
from pydantic import ValidationError

from kit.task import Completion

calibrate = module("calibrate")
OPTIONS = type(make_task()).Options
FOUND = st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=200)


def found(*steps: tuple[float, int, int], group: str = "a") -> list[object]:
    """Clauses in steps: their confidence, how many there are, and how many of them are right."""
    return [
        calibrate.Found(group, confidence, number < right)
        for confidence, count, right in steps
        for number in range(count)
    ]


def test_the_share_of_right_clauses_is_the_probability_of_a_step() -> None:
    points = calibrate.fit(found((0.5, 8, 1), (0.9, 8, 5)), least=8)
    assert points == [(0.5, 0.2), (0.9, 0.6)]  # (1 + 1) / (8 + 2) and (5 + 1) / (8 + 2)


def test_steps_whose_shares_fall_are_pooled() -> None:
    points = calibrate.fit(found((0.2, 8, 1), (0.6, 8, 7), (0.8, 8, 5)), least=8)
    assert points == [(0.2, 0.2), (0.7, 0.7222)]  # (7 + 5 + 1) / (16 + 2)


def test_equal_confidences_are_one_step_and_a_short_rest_joins_the_last_step() -> None:
    assert calibrate.fit(found((0.5, 30, 15), (0.9, 3, 3)), least=8) == [(0.5364, 0.5429)]  # 19 / 35
    assert calibrate.fit(found((0.5, 7, 3)), least=8) == []


def test_between_two_points_the_probability_is_on_a_line_and_outside_it_is_that_of_the_nearest() -> None:
    points = [(0.4, 0.2), (0.8, 0.6)]
    given_ = [0.0, 0.4, 0.5, 0.8, 1.0]
    assert [calibrate.calibrated(each, points) for each in given_] == pytest.approx([0.2, 0.2, 0.3, 0.6, 0.6])
    assert calibrate.calibrated(0.3, [(0.9, 0.7)]) == 0.7


@settings(deadline=None)
@given(FOUND, st.floats(0, 1), st.floats(0, 1))
def test_a_surer_clause_never_gets_a_lower_probability_and_none_leaves_0_to_1(
    pairs: list[tuple[float, bool]], left: float, right: float
) -> None:
    points = calibrate.fit([calibrate.Found("a", *pair) for pair in pairs], least=5)
    if points:
        low, high = (calibrate.calibrated(each, points) for each in sorted((left, right)))
        assert 0 < low <= high + 1e-12 < 1
        assert OPTIONS.model_validate({"calibration": points}).calibration == tuple(points)


def test_the_calibration_error_of_ten_clauses() -> None:
    pairs = [(0.95, True)] * 3 + [(0.95, False)] + [(0.15, False)] * 6
    assert calibrate.calibration_error(pairs) == pytest.approx((4 * (0.95 - 0.75) + 6 * 0.15) / 10)
    task = make_task()
    record = {"scored:95:hit": 3.0, "scored:95:alarm": 1.0, "scored:15:alarm": 6.0}
    assert task.metrics["calibration_error"].reduce([record]) == pytest.approx((4 * 0.205 + 6 * 0.155) / 10)
    assert task.metrics["calibration_error"].reduce([{"tp": 1.0}]) is None


def test_the_script_prints_the_option_and_the_error_of_the_other_half(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "answers.jsonl"
    record = {"scored:90:hit": 1, "scored:90:alarm": 1, "tp": 1, "fp": 1}
    rows: list[dict[str, object]] = [
        {"who": "tuned", "group": f"document {number}", "record": record} for number in range(60)
    ]
    rows += [{"who": "tuned", "group": "unscored", "record": None}, {"who": "base", "group": "a", "record": record}]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert calibrate.main([str(file)]) == 0
    option, counts, errors = capsys.readouterr().out.splitlines()
    assert json.loads(option.removeprefix("calibration: ")) == [[0.905, 0.5]]
    fitted, checked = (int(word) for word in counts.split() if word.isdigit())
    assert fitted + checked == 120
    assert errors == "before 0.405, after 0.000"
    file.write_text(json.dumps(rows[0]) + "\n")
    assert calibrate.main([str(file)]) == 3
    assert "Evaluate more documents." in capsys.readouterr().err


@pytest.mark.parametrize("answer", ["quotes", "numbers"])
def test_with_the_option_a_clause_has_the_calibrated_probability(answer: str) -> None:
    written = quoted(("governing_law", CLAUSE)) if answer == "quotes" else '{"3":"governing law"}'
    options = {"answer": answer, "calibration": [[0.5, 0.2], [0.9, 0.6]]}
    request = make_task().request_type.model_validate({"text": TEXT})
    sure = [Completion(written, (1,), (math.log(0.7),))]
    (clause,) = make_task(**options).read(request, sure).clauses
    assert clause.confidence == pytest.approx(0.4)
    (plain,) = make_task(answer=answer).read(request, sure).clauses
    assert plain.confidence == pytest.approx(0.7)
    (without,) = make_task(**options).read(request, [Completion(written)]).clauses
    assert without.confidence is None


@pytest.mark.parametrize("points", [[[0.5, 0.2], [0.5, 0.3]], [[0.2, 0.5], [0.4, 0.4]], [[0.2, 1.5]], [[-0.1, 0.2]]])
def test_points_that_fall_or_leave_0_to_1_are_refused(points: list[list[float]]) -> None:
    with pytest.raises(ValidationError):
        OPTIONS.model_validate({"calibration": points})
