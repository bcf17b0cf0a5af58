"""The record of a run has a maximum size, survives a kill, and names the rows behind a spike."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from kit.errors import InputError
from kit.train.report.explain import explain
from kit.train.report.recorder import StepRecorder, read_recording, row_digest
from tests.kit.train.parts import copy_rows

ROWS = copy_rows(8)
SAME = {row.example: {row_digest(row)} for row in ROWS}


def flown(folder: Path, spike_at: int = 9) -> Path:
    """Record ten steps over eight rows: the loss of a row is its number, except for one spike."""
    recorder = StepRecorder(folder, ROWS)
    for step in range(1, 11):
        rows = [(step - 1) * 2 % 8, (step * 2 - 1) % 8]
        losses = [1.0 + row / 10 for row in rows]
        if step == spike_at:
            losses[1] += 5
        recorder.write(step, rows, [sum(losses) / 2, 0.5, *losses])
    return folder


def test_the_row_behind_a_spike_comes_first_with_its_own_earlier_losses(tmp_path: Path) -> None:
    found = explain(read_recording(flown(tmp_path)), 9, SAME)
    worst, other = found.suspects
    assert found.spike
    assert worst.example == "row-0-1"
    assert (worst.loss, worst.seen) == (6.1, 2)
    assert worst.usual == pytest.approx(1.1)
    assert worst.share > 2 > other.share == pytest.approx(0)
    assert {suspect.standing for suspect in found.suspects} == {"same"}


def test_a_step_like_the_others_is_no_spike_and_for_the_first_it_is_unknown(tmp_path: Path) -> None:
    recording = read_recording(flown(tmp_path))
    assert explain(recording, 8, SAME).spike is False
    assert explain(recording, 1, SAME).spike is None
    assert explain(recording, 1, SAME).suspects[0].usual is None


def test_a_row_that_changed_or_is_gone_is_reported_as_such(tmp_path: Path) -> None:
    other = replace(ROWS[1], weight=2.0)
    now = {ROWS[1].example: {row_digest(other)}}
    found = explain(read_recording(flown(tmp_path)), 9, now)
    assert {suspect.example: suspect.standing for suspect in found.suspects} == {
        "row-0-0": "gone",
        "row-0-1": "changed",
    }
    assert found.changed == 2


def test_a_loss_that_is_not_finite_is_a_spike_and_its_row_comes_first(tmp_path: Path) -> None:
    recorder = StepRecorder(flown(tmp_path), ROWS)
    recorder.write(11, [4, 5], [float("nan"), float("nan"), 1.4, float("nan")])
    found = explain(read_recording(tmp_path), 11, SAME)
    assert found.spike
    assert found.suspects[0].example == "row-0-5"
    assert json.loads((tmp_path / "flight.jsonl").read_text().splitlines()[-1])[1] == "nan"


def test_a_step_that_was_not_recorded_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Step 40 was not recorded.*9, 10; the last is 10"):
        explain(read_recording(flown(tmp_path)), 40, SAME)
    with pytest.raises(InputError, match="recorded no steps"):
        read_recording(tmp_path / "elsewhere")


def test_the_later_line_of_a_step_counts_and_half_a_line_is_dropped(tmp_path: Path) -> None:
    file = flown(tmp_path) / "flight.jsonl"
    file.write_text(file.read_text() + "[11, 1.0, 0.")
    StepRecorder(tmp_path, ROWS).write(10, [2, 3], [7.0, 0.1, 7.0, 7.0])
    recording = read_recording(tmp_path)
    assert list(recording.steps) == list(range(1, 11))
    assert recording.steps[10].loss == 7.0


def test_the_record_stays_below_its_cap_and_a_spike_outlasts_its_neighbours(tmp_path: Path) -> None:
    cap, spike = 4000, 301
    recorder = StepRecorder(tmp_path, ROWS, most_bytes=cap)
    for step in range(1, 1001):
        loss = 5.0 if step == spike else 1.0
        recorder.write(step, [0, 1], [loss, 0.1, loss, loss])
        assert (tmp_path / "flight.jsonl").stat().st_size <= cap
    kept = read_recording(tmp_path).steps
    assert spike in kept
    assert not {spike - 1, spike + 1} & set(kept)
    assert set(range(980, 1001)) <= set(kept)
    assert StepRecorder(tmp_path, ROWS).losses(up_to=spike)[-1] == 5.0
