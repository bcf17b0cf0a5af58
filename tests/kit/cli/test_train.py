"""`kit train` from outside on a tiny project: what a run was, and what it will take."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kit.errors import InputError
from kit.workflows import explain_step
from tests.kit.cli.conftest import run_kit, with_training
from tests.kit.toy import lines, make_toy, row


def test_a_run_says_what_each_part_of_it_does(trained: Path) -> None:
    said = (trained / "said.txt").read_text()
    parts = [
        *("Reading the data", "Loading the base", "Attaching lora", "Measuring the memory", "Measuring the base on"),
        *("Merging the adapter", "Scoring the base and the tuned", "Measuring the noise", "Sealing the bundle"),
        "Testing the bundle",
    ]
    places = [said.find(part) for part in parts]
    assert places == sorted(places), said
    assert places[0] >= 0
    assert "computed in " in said


@pytest.fixture
def project(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "toy"))


def test_a_step_is_explained_by_its_rows_and_their_places(trained: Path) -> None:
    shown = run_kit("runs", "explain", "3", cwd=trained)
    assert shown.code == 0, shown.err
    assert "The data have not changed since." in shown.out
    assert f"{trained}/data/train.jsonl:" in shown.out


def test_rows_that_changed_since_are_told_as_changed(project: Path) -> None:
    changed, gone, *_ = (row.suspect.example for row in explain_step(project, step=3).rows)
    other = {"request": {"text": "quite another sentence"}}
    rows = [row("train", number) for number in range(60) if f"train-{number}" != gone]
    text = lines({**each, **other} if each["id"] == changed else each for each in rows)
    (project / "data/train.jsonl").write_text(text)
    found = run_kit("runs", "explain", "3", "--json", cwd=project).json
    assert (found["step"], found["changed"], found["unread"]) == (3, 2, None)
    standing = {suspect["example"]: suspect["standing"] for suspect in found["suspects"]}
    assert (standing.pop(changed), standing.pop(gone)) == ("changed", "gone")
    assert set(standing.values()) == {"same"}
    shown = run_kit("runs", "explain", "3", cwd=project).out
    assert "The data changed since: 2 of its 6 rows differ from what was trained on" in shown


def test_data_that_cannot_be_read_any_more_are_not_called_changed(project: Path) -> None:
    (project / "data/train.jsonl").write_text("no longer JSON\n")
    shown = run_kit("runs", "explain", "3", cwd=project)
    assert shown.code == 0
    assert "so they are not compared" in shown.out
    assert "changed since:" not in shown.out


def test_a_step_that_was_never_made_is_refused(trained: Path) -> None:
    with pytest.raises(InputError, match=r"Step 99 was not recorded\."):
        explain_step(trained, step=99)


def test_memory_time_and_cost_are_told_before_anything_is_paid_for(project: Path, tmp_path: Path) -> None:
    asked = ("--peak-tflops", "2", "--price-per-hour", "36")
    fresh = with_training(make_toy(tmp_path / "fresh"))
    unknown = run_kit("check", "--json", cwd=fresh).json["facts"]["estimate"]
    assert (unknown["seconds"], unknown["cost"], unknown["basis"]) == (None, None, "unmeasured")
    assert "time: unknown until this base has been trained here once" in run_kit("check", cwd=fresh).out
    bound = run_kit("train", "--dry-run", *asked, "--json", cwd=fresh).json["estimate"]
    measured = run_kit("train", "--dry-run", *asked, "--json", cwd=project).json["estimate"]
    assert [bound["basis"], measured["basis"]] == ["peak", "measured"]
    assert bound["memory"] == measured["memory"] == unknown["memory"]
    assert measured["memory"]["total"] > measured["memory"]["weights"] > 15e6
    for estimate in (bound, measured):
        assert estimate["cost"] == pytest.approx(estimate["seconds"] / 100)
    assert 0 < bound["seconds"] < measured["seconds"]
    assert "at least" in run_kit("check", *asked, cwd=fresh).out


def test_a_context_that_the_base_does_not_have_is_refused_before_training_as_check_refuses_it(project: Path) -> None:
    with (project / "recipe.yaml").open("a") as recipe:
        recipe.write("serve: {max_length: 9000}\n")
    runs = sorted((project / "runs").iterdir())
    for command in ("check", "train"):
        ran = run_kit(command, cwd=project)
        assert ran.code == 2
        shown = ran.out + ran.err
        assert "The base's context is 2048 tokens; serve.max_length is 9000. Lower serve.max_length to 2048." in shown
    assert sorted((project / "runs").iterdir()) == runs
