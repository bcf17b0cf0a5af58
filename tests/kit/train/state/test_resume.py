"""A run that was killed or stopped resumes to the same bits, and only under the same conditions."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kit.errors import Exit, InputError
from kit.train.events import Event, Stepped
from kit.train.job import RunBroke, Stopped, Trained, TrainJob
from kit.train.loop import train
from kit.train.state.checkpoint import Checkpoints
from tests.kit.train.forests import contract_rows
from tests.kit.train.parts import copy_rows, job, planned_of, section

ROOT = Path(__file__).parents[4]
DROPOUT = {"lora": {"rank": 8, "dropout": 0.1}}  # so that the random states matter
WITH_DROPOUT = section(**DROPOUT)
Files = dict[str, bytes]


def weights(trained: Trained) -> Files:
    """Return the bytes of the adapter and of the optimiser's state."""
    return {
        "adapter": (trained.adapter / "adapter_model.safetensors").read_bytes(),
        "state": (trained.adapter.parent / "state.pt").read_bytes(),
    }


def silent(_: Event) -> None:
    """Report nothing."""


def stop_at(step: int, number: signal.Signals) -> Callable[[Event], None]:
    """A report that sends this process a signal while a step is being reported."""

    def report(event: Event) -> None:
        if isinstance(event, Stepped) and event.step == step:
            os.kill(os.getpid(), number)

    return report


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return weights(train(job(tmp_path_factory.mktemp("whole"), train=WITH_DROPOUT), None, silent))


@contextmanager
def worker(folder: Path, settings: dict[str, Any] = DROPOUT) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.kit.train.worker", str(folder), json.dumps(settings)]
    process = subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for_step(process: subprocess.Popen[str], step: int) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) == step:
            return
    pytest.fail(f"The run ended before step {step}.")


def test_a_run_killed_at_any_step_resumes_to_the_same_bits(tmp_path: Path, uninterrupted: Files) -> None:
    step = random.randrange(1, 6)
    with worker(tmp_path) as process:
        wait_for_step(process, step)
        process.kill()
        assert process.wait() == -signal.SIGKILL
    events: list[Event] = []
    resumed = train(job(tmp_path, train=WITH_DROPOUT, resume=True), None, events.append)
    assert planned_of(events).step >= step
    assert weights(resumed) == uninterrupted, f"killed at step {step}"


def test_a_terminated_process_saves_its_step_and_exits_143(tmp_path: Path) -> None:
    with worker(tmp_path) as process:
        wait_for_step(process, 2)
        process.terminate()
        _, message = process.communicate(timeout=60)
        assert process.returncode == Exit.TERMINATED
    assert "kit train --resume" in message
    last = Checkpoints(tmp_path / "checkpoints").last()
    assert last is not None
    assert 2 <= last.cursor.step < 6
    assert not list((tmp_path / "checkpoints").glob(".*"))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, Exit.INTERRUPTED), (signal.SIGTERM, Exit.TERMINATED)])
def test_a_signal_during_a_step_saves_that_step(
    number: signal.Signals, code: Exit, tmp_path: Path, uninterrupted: Files
) -> None:
    rarely = job(tmp_path, train=WITH_DROPOUT)
    handler = signal.getsignal(number)
    with pytest.raises(Stopped, match="after step 4") as stopped:
        train(rarely, None, stop_at(4, number))
    assert stopped.value.code == code
    assert signal.getsignal(number) is handler
    resumed = train(replace(rarely, resume=True), None, silent)
    assert weights(resumed) == uninterrupted


def test_a_signal_while_scoring_stops_at_once_and_resuming_scores(tmp_path: Path) -> None:
    asked: list[str] = []

    def interrupted(_: object) -> dict[str, float]:
        asked.append("first")
        os.kill(os.getpid(), signal.SIGTERM)
        asked.append("never")
        return {}

    def scorer(_: object) -> dict[str, float]:
        asked.append("second")
        return {"score": float(len(asked))}

    scored = job(tmp_path, metric="score")
    with pytest.raises(Stopped, match="after step 3"):
        train(scored, interrupted, silent)
    trained = train(replace(scored, resume=True), scorer, silent)
    assert asked == ["first", "second", "second"]
    assert [made.score for made in trained.history] == [None, 2.0, 3.0]


def test_what_was_scored_before_is_not_scored_again(tmp_path: Path) -> None:
    scored: list[int] = []

    def scorer(_: object) -> dict[str, float]:
        scored.append(1)
        return {"score": 1.0 / len(scored)}

    first = job(tmp_path, metric="score")
    with pytest.raises(Stopped):
        train(first, scorer, stop_at(4, signal.SIGINT))
    trained = train(replace(first, resume=True), scorer, silent)
    assert len(scored) == 2
    assert (trained.step, trained.score) == (3, 1.0)


def test_a_run_stopped_before_its_first_checkpoint_starts_over(tmp_path: Path, uninterrupted: Files) -> None:
    resumed = train(job(tmp_path, train=WITH_DROPOUT, resume=True), None, silent)
    assert weights(resumed) == uninterrupted


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stopped")
    with pytest.raises(Stopped):
        train(job(folder), None, stop_at(2, signal.SIGINT))
    return folder


@pytest.fixture
def resumable(stopped: Path, tmp_path: Path) -> TrainJob:
    """A job that was stopped after its second step, in a copy of its folder."""
    shutil.copytree(stopped, tmp_path, dirs_exist_ok=True)
    return job(tmp_path, resume=True)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"rows": copy_rows(24, seed=8)}, "plan"),
        ({"section": section(learning_rate=1e-3)}, "plan"),
        ({"threads": 2}, "threads"),
        ({"dtype": "float32"}, "weight type"),
        ({"section": section(compute="bfloat16")}, "plan"),
    ],
)
def test_a_run_is_not_resumed_under_other_conditions(
    change: dict[str, object], named: str, resumable: TrainJob
) -> None:
    with pytest.raises(InputError, match=f"The run was started with {named} .*; here it is .*"):
        train(replace(resumable, **change), None, silent)  # type: ignore[arg-type]


def change_setup(job: TrainJob, **values: str) -> None:
    """Change the conditions in the checkpoint of a stopped run."""
    manifest = job.folder / "checkpoints/step-000002/checkpoint.json"
    saved = json.loads(manifest.read_text())
    saved["cursor"]["setup"].update(values)
    manifest.write_text(json.dumps(saved))


def test_a_run_of_an_earlier_version_resumes_unless_its_layers_were_compiled(resumable: TrainJob) -> None:
    change_setup(resumable, layers="compiled")
    with pytest.raises(InputError, match=r"compiled its layers.*start a new run without --resume"):
        train(resumable, None, silent)
    change_setup(resumable, layers="not compiled")
    assert train(resumable, None, silent).step == 6


def test_a_run_is_not_resumed_with_another_library_version(resumable: TrainJob) -> None:
    change_setup(resumable, torch="1.0.0")
    with pytest.raises(InputError, match=r"started with torch 1\.0\.0; here it is 2"):
        train(resumable, None, silent)


def test_a_damaged_checkpoint_is_not_resumed(resumable: TrainJob) -> None:
    state = resumable.folder / "checkpoints/step-000002/state.pt"
    content = bytearray(state.read_bytes())
    content[len(content) // 2] ^= 1
    state.write_bytes(content)
    with pytest.raises(RunBroke, match="differs from what was saved"):
        train(resumable, None, silent)


def test_a_finished_run_is_not_overwritten(resumable: TrainJob) -> None:
    with pytest.raises(InputError, match="already has checkpoints"):
        train(replace(resumable, resume=False), None, silent)


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """Make the system refuse to write beyond a size, like a full disk in the middle of a file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [100_000, 1_500_000], ids=["in the adapter", "in the optimiser"])
def test_a_full_disk_leaves_the_earlier_checkpoint_intact(size: int, tmp_path: Path, uninterrupted: Files) -> None:
    begun = job(tmp_path, train=WITH_DROPOUT, save_seconds=0.0)
    with pytest.raises(Stopped):
        train(begun, None, stop_at(4, signal.SIGINT))
    resumable = replace(begun, resume=True)
    with no_file_larger_than(size), pytest.raises(RunBroke, match="checkpoint of step 5 could not be written"):
        train(resumable, None, silent)
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == [
        "history.json",
        "step-000003",
        "step-000004",
    ]
    assert weights(train(resumable, None, silent)) == uninterrupted


def test_a_run_whose_rows_share_prefixes_resumes_to_the_same_bits(tmp_path: Path) -> None:
    trees = section(order="grouped", group_rows=2)
    whole, begun = (job(tmp_path / name, rows=contract_rows(3, 8), train=trees) for name in ("whole", "begun"))
    events: list[Event] = []
    expected = weights(train(whole, None, events.append))
    assert planned_of(events).saved > 0
    with pytest.raises(Stopped, match="after step 4"):
        train(begun, None, stop_at(4, signal.SIGINT))
    assert weights(train(replace(begun, resume=True), None, silent)) == expected
