from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kit.errors import Exit, InputError, KitError
from kit.recipe import Recipe
from kit.runs import Run, find_run, list_runs, new_run, unfinished_run

ROOT = Path(__file__).parents[2]


class Terminated(KitError):
    code = Exit.TERMINATED


def recipe(name: str = "toy") -> Recipe:
    return Recipe.model_validate({"name": name, "base": {"model": "nano"}, "tasks": [{"use": "task.py:Toy"}]})


def made(root: Path, name: str = "toy", data: str = "d1") -> Run:
    return new_run(root, recipe(name), data, profile="smoke")


def failed(run: Run, error: BaseException) -> None:
    with pytest.raises(type(error)), run.working():
        raise error


def test_a_run_keeps_the_resolved_recipe_and_what_it_was_made_of(tmp_path: Path) -> None:
    run = made(tmp_path)
    assert run.folder == tmp_path / "runs" / run.id
    assert run.recipe() == recipe()
    (found,) = list_runs(tmp_path)
    assert found == run
    assert (found.profile, found.data_digest, found.recipe_digest) == ("smoke", "d1", recipe().digest())


def test_runs_are_listed_in_the_order_in_which_they_were_made(tmp_path: Path) -> None:
    runs = [made(tmp_path) for _ in range(5)]
    assert len({run.id for run in runs}) == 5
    assert sorted(run.created for run in runs) == [run.created for run in list_runs(tmp_path)]


def test_a_run_that_ends_well_is_finished_and_has_a_report(tmp_path: Path) -> None:
    run = made(tmp_path)
    assert (run.status().state, run.report()) == ("new", None)
    with run.working():
        assert (run.status().state, run.status().pid) == ("running", os.getpid())
        run.finish({"score": 0.5})
    assert run.status().state == "finished"
    assert run.report() == {"score": 0.5}


def test_a_run_that_fails_keeps_the_sentence(tmp_path: Path) -> None:
    run = made(tmp_path)
    failed(run, KitError("The loss is not finite.", "step 3"))
    assert (run.status().state, run.status().sentence) == ("failed", "step 3: The loss is not finite.")
    failed(run, ZeroDivisionError("by zero"))
    assert run.status().sentence == "ZeroDivisionError: by zero"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Terminated("Stopped after step 4.")])
def test_a_run_that_was_stopped_is_interrupted(error: BaseException, tmp_path: Path) -> None:
    run = made(tmp_path)
    failed(run, error)
    assert run.status().state == "interrupted"


def test_every_change_of_state_stays_on_record(tmp_path: Path) -> None:
    run = made(tmp_path)
    failed(run, Terminated("Stopped."))
    with run.working():
        pass
    lines = (run.folder / "status.jsonl").read_text().splitlines()
    assert [json.loads(line)["state"] for line in lines] == ["running", "interrupted", "running", "finished"]


HOLD = """
import sys, time
from pathlib import Path
from kit.runs import find_run
with find_run(Path(sys.argv[1])).working():
    print("working", flush=True)
    time.sleep(600)
"""


def test_a_run_belongs_to_one_process_and_is_interrupted_when_that_dies(tmp_path: Path) -> None:
    run = made(tmp_path)
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "working\n"
        assert (run.status().state, run.status().pid) == ("running", process.pid)
        with pytest.raises(InputError, match="finished, or at work"):
            unfinished_run(tmp_path, recipe(), "d1")
        with pytest.raises(KitError, match=f"Another process works on the run \\(pid {process.pid}\\)"), run.working():
            pass
        process.send_signal(signal.SIGKILL)
    assert run.status().state == "interrupted"
    assert unfinished_run(tmp_path, recipe(), "d1") == run


def test_the_latest_unfinished_run_of_the_same_recipe_and_data_is_resumed(tmp_path: Path) -> None:
    stopped, other_data, other_recipe = made(tmp_path), made(tmp_path, data="d2"), made(tmp_path, name="other")
    for run in (stopped, other_data, other_recipe):
        failed(run, Terminated("Stopped."))
    assert unfinished_run(tmp_path, recipe(), "d1") == stopped


def test_without_an_unfinished_run_of_the_same_recipe_and_data_resuming_is_refused(tmp_path: Path) -> None:
    with made(tmp_path).working():
        pass
    with pytest.raises(InputError, match="finished, or at work"):
        unfinished_run(tmp_path, recipe(), "d1")
    with pytest.raises(InputError, match="may have changed"):
        unfinished_run(tmp_path, recipe(), "d2")


def test_a_run_is_found_by_id_by_a_part_that_is_its_own_or_as_the_latest(tmp_path: Path) -> None:
    runs = [made(tmp_path) for _ in range(3)]
    first = list_runs(tmp_path)[0]
    assert find_run(tmp_path) == list_runs(tmp_path)[-1]
    assert find_run(tmp_path, first.id) == find_run(tmp_path, first.id[-6:]) == first
    with pytest.raises(InputError, match="fits several runs"):
        find_run(tmp_path, "20")
    with pytest.raises(InputError, match=f"no run '{first.id}x'. Did you mean '{first.id}'"):
        find_run(tmp_path, first.id + "x")
    assert len(runs) == 3


def test_a_project_without_runs_says_how_to_make_one(tmp_path: Path) -> None:
    assert list_runs(tmp_path) == []
    with pytest.raises(InputError, match="no runs here"):
        find_run(tmp_path)
