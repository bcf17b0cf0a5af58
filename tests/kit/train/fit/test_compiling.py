"""Layers are compiled where a run pays for it, and compute what they compute otherwise."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from kit.base import find_base
from kit.errors import InputError
from kit.train.events import Event
from kit.train.fit import compiling
from kit.train.fit.compiling import compiled_for, wants_compiling
from kit.train.loop import train
from kit.train.model.methods import attach, load_base
from kit.train.plan.plan import Plan, make_plan
from kit.train.plan.sharing import Sharing
from kit.train.step.loss import split_model
from kit.train.step.optimiser import Optimiser
from tests.kit.train.forests import contract_rows
from tests.kit.train.parts import PAD, copy_rows, job, planned_of, section
from tests.kit.train.state.test_resume import silent, wait_for_step, weights, worker

CPU = torch.device("cpu")
NANO = find_base("nano")


@pytest.fixture(autouse=True)
def fresh_compiler() -> Iterator[None]:
    """Nothing that was compiled before serves, as in a new process; one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch._dynamo.reset()
    yield
    torch.set_num_threads(before)


def plan_of(sharing: bool = True, **settings: Any) -> Plan:
    rows = [*contract_rows(2, 4), *copy_rows(8)]
    return make_plan(rows, section(**settings), sharing=Sharing() if sharing else Sharing("not wanted"))


def test_a_long_run_is_compiled_and_a_short_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of()
    assert not wants_compiling(plan, NANO, CPU, threads=1)
    monkeypatch.setattr(compiling, "PAYS", 1e6)
    assert wants_compiling(plan, NANO, CPU, threads=1)
    assert not wants_compiling(plan, NANO, CPU, threads=10**9)
    assert not wants_compiling(plan, NANO, torch.device("cuda"), threads=1)
    assert not wants_compiling(plan_of(max_minutes=1), NANO, CPU, threads=1)


def test_the_recipe_decides_where_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "PAYS", 1e6)
    assert not wants_compiling(plan_of(compile="off"), NANO, CPU, threads=1)
    assert wants_compiling(plan_of(compile="on"), NANO, CPU, threads=10**9)


def test_what_is_asked_for_and_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="sharded over processes"):
        wants_compiling(plan_of(compile="on"), NANO, CPU, threads=1, sharded=True)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(InputError, match=r"C\+\+ compiler"):
        wants_compiling(plan_of(compile="on"), NANO, CPU, threads=1)
    monkeypatch.setattr(compiling, "PAYS", 1e6)
    assert not wants_compiling(plan_of(), NANO, CPU, threads=1)


@pytest.mark.parametrize(("sharing", "form"), [(True, "forest"), (False, "rows")])
def test_compiled_layers_give_the_same_losses_and_gradients(sharing: bool, form: str) -> None:
    plan = plan_of(sharing, compile="on", batch_rows=16)
    model = attach(load_base(NANO, "float32", plan.section, CPU), plan.section, "nano")
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            parameter.data.normal_(0, 0.02, generator=torch.Generator().manual_seed(3))
    optimiser = Optimiser(split_model(model.train()), plan, PAD, CPU)
    plainly = measured(optimiser)
    compiled = compiled_for(optimiser)
    assert compiled is not None
    assert compiled.form == form == plan.steps[0].forms[0]
    found = measured(optimiser)
    assert torch.allclose(found[0], plainly[0], rtol=1e-5)
    for mine, expected in zip(found[1], plainly[1], strict=True):
        assert float((mine - expected).norm()) < 1e-5 * float(expected.norm())
    assert not torch.equal(
        torch.cat([each.flatten() for each in found[1]]), torch.cat([e.flatten() for e in plainly[1]])
    )


def test_compiled_layers_can_be_computed_again_in_the_backward_pass() -> None:
    plan = plan_of(compile="on", batch_rows=16)
    model = attach(load_base(NANO, "float32", plan.section, CPU), plan.section, "nano")
    optimiser = Optimiser(split_model(model.train()), plan, PAD, CPU)
    plainly = measured(optimiser)
    optimiser.body.checkpoint_layers(True)
    assert compiled_for(optimiser) is not None
    losses, gradients = measured(optimiser)
    assert torch.allclose(losses, plainly[0], rtol=1e-5)
    largest = max(float(each.norm()) for each in plainly[1])
    for mine, expected in zip(gradients, plainly[1], strict=True):
        assert float((mine - expected).norm()) < 1e-5 * largest


def measured(optimiser: Optimiser) -> tuple[Tensor, list[Tensor]]:
    """The losses of the first step's rows, and all gradients."""
    optimiser.adam.zero_grad()
    _, rows = optimiser.accumulate(optimiser.plan.steps[0])
    return rows, [parameter.grad.clone() for parameter in optimiser.parameters if parameter.grad is not None]


def test_a_killed_run_of_compiled_layers_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    asked, events = section(compile="on"), list[Event]()
    whole = weights(train(job(tmp_path / "whole", train=asked), None, events.append))
    assert planned_of(events).compiled
    with worker(tmp_path / "killed", {"compile": "on"}) as process:
        wait_for_step(process, 2)
        process.kill()
        assert process.wait() == -signal.SIGKILL
    torch._dynamo.reset()
    assert weights(train(job(tmp_path / "killed", train=asked, resume=True), None, silent)) == whole


def test_a_run_does_not_go_on_without_what_it_was_compiled_with(tmp_path: Path) -> None:
    train(job(tmp_path, train=section(compile="off")), None, silent)
    with pytest.raises(InputError, match="layers"):
        train(job(tmp_path, train=section(compile="on"), resume=True), None, silent)
