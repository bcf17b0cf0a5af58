"""Several processes make the run that one would, and one of them writes it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from kit.base import Base
from kit.train.events import Event, Stepped
from kit.train.job import Trained
from kit.train.loop import train
from kit.train.plan import make_plan
from tests.kit.train.forks import ROOT, tiny_base
from tests.kit.train.ranks import ranked_job


def torchrun(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the tests' job in two processes."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*launch, "-m", "tests.kit.train.ranks", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, text=True, capture_output=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    return tiny_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def alone(base: Base, tmp_path_factory: pytest.TempPathFactory) -> tuple[Trained, list[Stepped]]:
    events: list[Event] = []
    trained = train(ranked_job(tmp_path_factory.mktemp("alone"), base.folder), None, events.append)
    return trained, [event for event in events if isinstance(event, Stepped)]


@pytest.fixture(scope="module")
def together(base: Base, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("together")
    ran = torchrun(folder, base.folder)
    assert ran.returncode == 0, ran.stderr
    return folder, ran.stdout


def test_shares_are_unequal_so_that_padding_is_needed(base: Base, tmp_path: Path) -> None:
    job = ranked_job(tmp_path, base.folder)
    counts = {len(step.micros) for step in make_plan(job.rows, job.section).steps}
    assert any(count % 2 for count in counts)
    assert max(counts) > 2


def test_two_processes_make_the_losses_gradients_and_adapter_of_one(
    alone: tuple[Trained, list[Stepped]], together: tuple[Path, str]
) -> None:
    trained, steps = alone
    folder, said = together
    lines = [line.split() for line in said.splitlines() if line.startswith("step ")]
    assert [int(line[1]) for line in lines] == [step.step for step in steps]
    for line, step in zip(lines, steps, strict=True):
        assert float(line[2]) == pytest.approx(step.loss, rel=1e-5)
        assert float(line[3]) == pytest.approx(step.gradient_norm, rel=1e-5)
    own = load_file(trained.adapter / "adapter_model.safetensors")
    theirs = load_file(folder / f"checkpoints/step-{trained.step:06d}/adapter/adapter_model.safetensors")
    for name, tensor in own.items():
        assert torch.linalg.norm(theirs[name] - tensor) <= 1e-5 * torch.linalg.norm(tensor), name


def test_one_process_writes_each_event_and_each_rows_loss_once(
    alone: tuple[Trained, list[Stepped]], together: tuple[Path, str]
) -> None:
    folder, _ = together
    whole = [json.loads(line) for line in (alone[0].adapter.parents[2] / "flight.jsonl").read_text().splitlines()]
    shared = [json.loads(line) for line in (folder / "flight.jsonl").read_text().splitlines()]
    assert [line[3] for line in shared] == [line[3] for line in whole]
    for one, two in zip(whole, shared, strict=True):
        assert two[4] == pytest.approx(one[4], rel=1e-4)
    events = [json.loads(line)["event"] for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert events.count("stepped") == len(whole)
    assert not list(folder.glob(".ranks"))


def test_processes_with_other_rows_are_refused_before_a_step(together: tuple[Path, str]) -> None:
    folder, said = together
    assert said.count("refused: ") == 2
    assert said.count("were not given the same rows and recipe") == 2
    assert not (folder / "unequal/metrics.jsonl").exists()
