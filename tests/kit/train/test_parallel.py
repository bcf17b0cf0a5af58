"""Several processes make the run that one would, and one of them writes it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
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
from tests.kit.train.ranks import VARIANTS, ranked_job


def torchrun(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the tests' jobs in two processes."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*launch, "-m", "tests.kit.train.ranks", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, text=True, capture_output=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    return tiny_base(tmp_path_factory.mktemp("base"))


@dataclass(frozen=True)
class Alone:
    """What one process made of a job."""

    trained: Trained
    steps: list[Stepped]


@pytest.fixture(scope="module")
def alone(base: Base, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Alone]:
    """Every job, made by one process."""
    found = {}
    for variant in VARIANTS:
        events: list[Event] = []
        trained = train(ranked_job(tmp_path_factory.mktemp("alone"), base.folder, variant), None, events.append)
        found[variant] = Alone(trained, [event for event in events if isinstance(event, Stepped)])
    return found


@pytest.fixture(scope="module")
def together(base: Base, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Every job, made by two processes: the folder of their runs, and what they said."""
    folder = tmp_path_factory.mktemp("together")
    ran = torchrun(folder, base.folder)
    assert ran.returncode == 0, ran.stderr
    return folder, ran.stdout


def test_shares_are_unequal_so_that_padding_is_needed(base: Base, tmp_path: Path) -> None:
    job = ranked_job(tmp_path, base.folder)
    counts = {len(step.micros) for step in make_plan(job.rows, job.section).steps}
    assert any(count % 2 for count in counts)
    assert max(counts) > 2


@pytest.mark.parametrize("variant", VARIANTS)
def test_two_processes_make_the_losses_gradients_and_adapter_of_one(
    variant: str, alone: dict[str, Alone], together: tuple[Path, str]
) -> None:
    one, (folder, said) = alone[variant], together
    lines = [line.split()[1:] for line in said.splitlines() if line.startswith(f"{variant} step ")]
    assert [int(line[1]) for line in lines] == [step.step for step in one.steps]
    for line, step in zip(lines, one.steps, strict=True):
        assert float(line[2]) == pytest.approx(step.loss, rel=1e-5)
        assert float(line[3]) == pytest.approx(step.gradient_norm, rel=1e-5)
    own = load_file(one.trained.adapter / "adapter_model.safetensors")
    place = folder / variant / f"checkpoints/step-{one.trained.step:06d}/adapter/adapter_model.safetensors"
    theirs = load_file(place)
    for name, tensor in own.items():
        assert torch.linalg.norm(theirs[name] - tensor) <= 1e-5 * torch.linalg.norm(tensor), name


def test_the_penalty_of_several_processes_is_there_and_is_one(
    alone: dict[str, Alone], together: tuple[Path, str]
) -> None:
    """It moves the norms of gradients far more than processes may differ, so the test above sees one counted twice."""
    norms = [[step.gradient_norm for step in alone[variant].steps] for variant in ("plain", "ewc")]
    assert norms[0][0] == pytest.approx(norms[1][0])  # at the start nothing has moved
    assert all(abs(plain / tied - 1) > 1e-2 for plain, tied in list(zip(*norms, strict=True))[1:])
    events = [json.loads(line) for line in (together[0] / "ewc/metrics.jsonl").read_text().splitlines()]
    found = [event["scores"]["ewc_penalty"] for event in events if event["event"] == "evaluated"]
    expected = [(made.scores or {})["ewc_penalty"] for made in alone["ewc"].trained.history]
    assert found == pytest.approx(expected, rel=1e-4)
    assert found[-1] > 0


def test_one_process_writes_each_event_and_each_rows_loss_once(
    alone: dict[str, Alone], together: tuple[Path, str]
) -> None:
    folder = together[0] / "plain"
    whole = [
        json.loads(line)
        for line in (alone["plain"].trained.adapter.parents[2] / "flight.jsonl").read_text().splitlines()
    ]
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
