from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kit.errors import Exit, InputError, KitError
from kit.project.runs import Run, find_run, list_runs, new_run, unfinished_run
from kit.recipe import Recipe
from kit.task.loader import load_module

ROOT = Path(__file__).parents[3]


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
from kit.project.runs import find_run
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
        with pytest.raises(InputError, match="finished or still running"):
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
    with pytest.raises(InputError, match="finished or still running"):
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


def damaged(root: Path, name: str, text: str | None) -> Run:
    """A run of which one file was cut off, or is missing."""
    run = made(root)
    with run.working():
        run.finish({"score": 0.5})
    file = run.folder / name
    file.unlink() if text is None else file.write_text(text)
    return run


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("run.json", "", "run.json is not what the kit writes"),
        ("run.json", '{"created": "2026-', "run.json is not what the kit writes"),
        ("run.json", '{"created": "yesterday"}', "run.json is not what the kit writes"),
        ("run.json", None, "run.json is missing"),
        ("status.jsonl", "\x00\x00", "status.jsonl holds no line that can be read"),
        ("report.json", '{"score": ', "report.json cannot be read"),
    ],
)
def test_a_damaged_run_is_named_and_hides_no_other(tmp_path: Path, name: str, text: str | None, sentence: str) -> None:
    bad, good = damaged(tmp_path, name, text), made(tmp_path)
    failed(good, Terminated("Stopped."))
    (tmp_path / "runs/.DS_Store").write_text("")
    states = {run.id: run.status() for run in list_runs(tmp_path)}
    assert set(states) == {bad.id, good.id}
    assert states[bad.id].state == "damaged"
    assert sentence in states[bad.id].sentence
    assert states[good.id].state == "interrupted"
    assert unfinished_run(tmp_path, recipe(), "d1") == good
    assert find_run(tmp_path) == good


def test_a_run_whose_facts_are_damaged_is_refused_by_name(tmp_path: Path) -> None:
    bad = damaged(tmp_path, "run.json", "")
    with pytest.raises(InputError, match=f"{bad.id}: Damaged: run.json"):
        find_run(tmp_path, bad.id)
    with pytest.raises(InputError, match=f"{bad.id}: Damaged: run.json"):
        unfinished_run(tmp_path, recipe(), "d1")


def test_a_state_that_a_crash_cut_off_leaves_the_one_before_and_the_next_one_whole(tmp_path: Path) -> None:
    run = made(tmp_path)
    failed(run, Terminated("Stopped."))
    with (run.folder / "status.jsonl").open("a") as stream:
        stream.write('{"state": "runn')
    assert run.status().state == "interrupted"
    with run.working():
        run.finish({})
    assert run.status().state == "finished"


def test_a_lock_that_cannot_be_written_does_not_hide_the_state(tmp_path: Path) -> None:
    run = made(tmp_path)
    failed(run, Terminated("Stopped."))
    with (run.folder / "status.jsonl").open("a") as stream:
        stream.write(json.dumps({"state": "running"}) + "\n")
    (run.folder / ".lock").unlink()
    (run.folder / ".lock").mkdir()  # what cannot be opened for writing, whoever asks
    assert run.status().state == "interrupted"


def test_a_run_that_is_dated_in_the_future_is_not_the_latest(tmp_path: Path) -> None:
    ahead, now = made(tmp_path), made(tmp_path)
    facts = json.loads((ahead.folder / "run.json").read_text())
    (ahead.folder / "run.json").write_text(json.dumps({**facts, "created": "2099-01-01T00:00:00.000+00:00"}))
    assert find_run(tmp_path) == now
    status = find_run(tmp_path, ahead.id).status()
    assert (status.state, "2099-01-01" in status.sentence) == ("new", True)


def test_an_error_in_the_tasks_own_code_is_kept_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "task.py").write_text("def broken():\n    return undefined_name\n")
    run = made(tmp_path)
    with pytest.raises(NameError), run.working():
        load_module(tmp_path, "task.py").broken()
    assert run.status().sentence.startswith(f"{tmp_path}/task.py:2: The task broke in broken: NameError")


def test_a_project_without_runs_says_how_to_make_one(tmp_path: Path) -> None:
    assert list_runs(tmp_path) == []
    with pytest.raises(InputError, match="no runs here"):
        find_run(tmp_path)
