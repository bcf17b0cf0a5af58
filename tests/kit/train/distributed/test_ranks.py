"""Several processes train the same as one process, and one of them writes the results."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file
from torch import Tensor

from kit.base import Base
from kit.train.events import Event, Stepped
from kit.train.job import Trained
from kit.train.loop import train
from kit.train.plan.plan import make_plan
from kit.train.plan.sharing import sharing
from kit.train.report.applied import read_facts
from kit.train.state.saved import weights_file
from tests.kit.train.forks import ROOT, tiny_base
from tests.kit.train.parts import section
from tests.kit.train.ranks import RESUMED, STOPPED_AT, VARIANTS, ranked_job, scorer


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
    """The result of a job in one process."""

    trained: Trained
    steps: list[Stepped]


@pytest.fixture(scope="module")
def alone(base: Base, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Alone]:
    """The results of all jobs in one process."""
    found = {}
    for variant in VARIANTS:
        events: list[Event] = []
        trained = train(ranked_job(tmp_path_factory.mktemp("alone"), base.folder, variant), scorer, events.append)
        found[variant] = Alone(trained, [event for event in events if isinstance(event, Stepped)])
    return found


@pytest.fixture(scope="module")
def together(base: Base, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """All jobs in two processes: the folder of the runs, and the output."""
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
def test_two_processes_compute_the_same_losses_gradients_and_adapter_as_one(
    variant: str, alone: dict[str, Alone], together: tuple[Path, str]
) -> None:
    one, (folder, said), within = alone[variant], together, tolerance(variant)
    lines = [line.split()[1:] for line in said.splitlines() if line.startswith(f"{variant} step ")]
    assert [int(line[1]) for line in lines] == [step.step for step in one.steps]
    for line, step in zip(lines, one.steps, strict=True):
        assert float(line[2]) == pytest.approx(step.loss, rel=within)
        assert float(line[3]) == pytest.approx(step.gradient_norm, rel=within)
    own, theirs = saved(one.trained.adapter.parents[2], one.trained.step), saved(folder / variant, one.trained.step)
    assert own.keys() == theirs.keys()
    for name, tensor in own.items():
        assert torch.linalg.norm(theirs[name] - tensor) <= within * torch.linalg.norm(tensor), name


def tolerance(variant: str) -> float:
    """Return the accepted difference between two processes and one: rounding, a hundred times larger in bfloat16."""
    return 2e-2 if "bfloat16" in variant else 1e-5


def saved(run: Path, step: int) -> dict[str, Tensor]:
    """Return the weights in a checkpoint."""
    return load_file(weights_file(run / f"checkpoints/step-{step:06d}/adapter"))


@pytest.mark.parametrize("variant", VARIANTS)
def test_two_processes_report_the_same_as_one(
    variant: str, alone: dict[str, Alone], together: tuple[Path, str]
) -> None:
    history = json.loads((together[0] / variant / "checkpoints/history.json").read_text())
    assert [made["step"] for made in history] == [made.step for made in alone[variant].trained.history]
    for theirs, own in zip(history, alone[variant].trained.history, strict=True):
        within = tolerance(variant)
        assert theirs["validation_loss"] == pytest.approx(own.validation_loss, rel=within)
        assert theirs["score"] == (own.score and pytest.approx(own.score, rel=within))
    assert history[-1]["score"]
    facts = read_facts(together[0] / variant)
    assert facts
    assert {fact.name: fact for fact in facts if fact.outcome != "held"} == {}


@pytest.mark.parametrize("variant", RESUMED)
def test_stopped_processes_resume_to_the_same_bits(variant: str, together: tuple[Path, str]) -> None:
    folder, said = together
    assert said.count(f"stopped: Stopped after step {STOPPED_AT}, which is saved.") == 2 * len(RESUMED)
    whole, cut = (json.loads((folder / name / "checkpoints/history.json").read_text())
                  for name in (variant, f"{variant}-cut"))  # fmt: skip
    assert whole == cut
    last = whole[-1]["step"]
    own, resumed = saved(folder / variant, last), saved(folder / f"{variant}-cut", last)
    assert own.keys() == resumed.keys()
    assert all(torch.equal(own[name], resumed[name]) for name in own)


def test_each_process_holds_half_of_the_weights_except_while_they_are_gathered(
    together: tuple[Path, str],
) -> None:
    shares = [list(map(float, line.split()[1:])) for line in together[1].splitlines() if line.startswith("share ")]
    assert len(shares) == 2
    for parted, joined, again in shares:
        assert (joined, again) == (1.0, parted)
        assert parted == pytest.approx(0.5, abs=0.02)


def test_too_little_memory_in_one_process_ends_all_before_a_step(together: tuple[Path, str]) -> None:
    folder, said = together
    assert said.count("cramped: ") == said.count("does not fit the memory. 0.00 GiB were free.") == 2
    assert said.count("Lower it, or start more processes.") == 2
    assert not (folder / "cramped/metrics.jsonl").exists()


def test_rows_with_a_shared_prefix_are_computed_as_a_forest(base: Base, tmp_path: Path) -> None:
    job = ranked_job(tmp_path, base.folder, "sharded-forest")
    steps = make_plan(job.rows, job.section, sharing=sharing(job.base, job.section, job.rows)).steps
    assert all(step.packs for step in steps)
    assert any(len(step.micros) % 2 for step in steps)


@pytest.mark.parametrize(
    "settings", [{"method": "qlora"}, {"method": "prompt"}, {"ewc": {"data": "unused.jsonl", "strength": 1.0}}]
)
def test_what_cannot_be_sharded_is_refused_with_the_recipe(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="parallel: sharded needs method: lora, full or bottleneck"):
        section(parallel="sharded", **settings)


def test_several_processes_apply_one_penalty(alone: dict[str, Alone], together: tuple[Path, str]) -> None:
    """The penalty changes gradient norms more than the accepted difference: the test above would find a double one."""
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
    assert said.count("have different rows or recipes") == 2
    assert not (folder / "unequal/metrics.jsonl").exists()
