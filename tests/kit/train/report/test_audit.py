"""Asked and applied: every fact is ok in a correct run, and differs once the real objects differ from the recipe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from kit.base import Base
from kit.train.job import TrainJob
from kit.train.model.methods import attach, load_base
from kit.train.model.split import split_model
from kit.train.plan.plan import make_plan
from kit.train.report.applied import Fact, read_facts, trouble
from kit.train.report.audit import Audit, LoadedBase, inspect_base
from kit.train.step.optimiser import Optimiser, StepFigures
from tests.kit.train.parts import PAD, copy_rows, job, section
from tests.kit.train.tiny import make_tiny

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Base:
    return make_tiny(tmp_path_factory.mktemp("tiny"))


@dataclass
class Parts:
    """The parts of a run; a test damages one of them before the first step."""

    job: TrainJob
    base: Any
    model: Any
    optimiser: Optimiser
    loaded: LoadedBase
    step: Callable[[int], StepFigures]

    def facts(self) -> dict[str, Fact]:
        audit = Audit(self.job, self.optimiser, self.loaded)
        audit.watched(0, self.step)
        found = read_facts(self.job.folder)
        assert found is not None
        assert audit.facts == found
        return {fact.name: fact for fact in found}


@pytest.fixture
def parts(tiny: Base, tmp_path: Path) -> Parts:
    rows = copy_rows(8, longest=40)
    train = section(batch_tokens=96, clip=1e-3, weight_decay=0.1)  # several parts, and a clip that takes effect
    made = job(tmp_path, rows, train, base=tiny, dtype="float32")
    base = load_base(tiny, "float32", train, CPU)
    loaded = inspect_base(base, tiny, "float32")
    model = attach(base, train, "tiny")
    optimiser = Optimiser(split_model(model), make_plan(rows, train), PAD, CPU)
    assert len(optimiser.plan.steps[0].micros) > 1
    return Parts(made, base, model, optimiser, loaded, optimiser.step)


def test_all_is_ok_where_nothing_was_damaged(parts: Parts) -> None:
    facts = parts.facts()
    assert list(facts) == [
        *("loss mask", "accumulation", "clipping", "optimiser", "dtype", "seed", "base revision", "base weights"),
        *("adapter scale", "targets"),
    ]
    assert {fact.outcome for fact in facts.values()} == {"held"}
    assert trouble(list(facts.values())) == ""


def lose_a_part(parts: Parts, patch: pytest.MonkeyPatch) -> None:
    whole = parts.optimiser.accumulate
    patch.setattr(parts.optimiser, "accumulate", lambda step, weight: whole(step.part(slice(1)), weight))


def step_twice(parts: Parts, patch: pytest.MonkeyPatch) -> None:
    whole = parts.optimiser.step

    def twice(number: int) -> StepFigures:
        whole(number)
        return whole(number)

    parts.step = twice


def do_not_clip(parts: Parts, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(torch.nn.utils, "clip_grad_norm_", lambda *_: torch.tensor(1.0))


def other_decay(parts: Parts, patch: pytest.MonkeyPatch) -> None:
    parts.optimiser.adam.param_groups[0]["weight_decay"] = 0.0


def forget_a_tensor(parts: Parts, patch: pytest.MonkeyPatch) -> None:
    parts.optimiser.adam.param_groups[0]["params"].pop()


def other_optimiser(parts: Parts, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(parts.optimiser, "adam", torch.optim.SGD(parts.optimiser.parameters, lr=2e-3, weight_decay=0.1))


def asked_for_bfloat16(parts: Parts, patch: pytest.MonkeyPatch) -> None:
    parts.job = replace(parts.job, section=parts.job.section.model_copy(update={"compute": "bfloat16"}))


def other_seed(parts: Parts, patch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(99)


def other_scale(parts: Parts, patch: pytest.MonkeyPatch) -> None:
    next(module for module in parts.model.modules() if hasattr(module, "lora_A")).scaling["default"] = 1.0


def fewer_targets(parts: Parts, patch: pytest.MonkeyPatch) -> None:
    parts.job = replace(parts.job, section=section(clip=1e-3, lora={"rank": 8, "targets": ["q_proj"]}))


@pytest.mark.parametrize(
    ("damage", "names"),
    [
        (lose_a_part, {"loss mask", "accumulation"}),
        (step_twice, {"loss mask", "accumulation"}),
        (do_not_clip, {"clipping"}),
        (other_decay, {"optimiser"}),
        (forget_a_tensor, {"optimiser"}),
        (other_optimiser, {"optimiser"}),
        (asked_for_bfloat16, {"dtype"}),
        (other_seed, {"seed"}),
        (other_scale, {"adapter scale"}),
        (fewer_targets, {"targets"}),
    ],
)
def test_a_setting_that_was_not_applied_is_reported_as_different(
    damage: Callable[[Parts, pytest.MonkeyPatch], None],
    names: set[str],
    parts: Parts,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    damage(parts, monkeypatch)
    facts = parts.facts()
    assert {name for name, fact in facts.items() if fact.outcome == "failed"} == names
    message = trouble(list(facts.values()))
    assert all(f"{name} differs: asked " in message for name in names)


def test_a_weight_that_is_not_the_files_differs_and_one_in_no_file_too(tiny: Base, tmp_path: Path) -> None:
    model = load_base(tiny, "float32", section(), CPU)
    dict(model.named_parameters())["model.layers.1.mlp.up_proj.weight"].data[0, 0] += 1
    found = inspect_base(model, tiny, "float32").weights
    assert (found.outcome, found.applied) == ("failed", "model.layers.1.mlp.up_proj.weight differs")

    from safetensors.torch import load_file, save_file

    less = make_tiny(tmp_path / "less")
    whole = load_base(less, "float32", section(), CPU)
    state = load_file(less.folder / "model.safetensors")
    del state["model.layers.0.self_attn.k_proj.weight"]
    save_file(state, less.folder / "model.safetensors", metadata={"format": "pt"})
    found = inspect_base(whole, less, "float32").weights
    assert found.outcome == "failed"
    assert "1 missing in its files, such as model.layers.0.self_attn.k_proj.weight" in found.applied


def test_what_cannot_be_read_back_is_unknown_and_not_ok(parts: Parts, tiny: Base, tmp_path: Path) -> None:
    for module in parts.model.modules():
        if hasattr(module, "lora_A"):
            module.scaling = {}
    parts.loaded = inspect_base(torch.nn.Linear(2, 2), tiny, "float32")  # no tensor has the name of one in the files
    parts.step = lambda number: StepFigures(number + 1, torch.zeros(2), None)  # nothing is done, so nothing is seen
    facts = parts.facts()
    unknown = {name for name, fact in facts.items() if fact.outcome == "unmeasured"}
    assert unknown == {"adapter scale", "base weights", "clipping"}
    assert facts["loss mask"].outcome == "failed"
    assert "adapter scale unknown: asked 4, applied could not be read back" in trouble(list(facts.values()))


COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("revision", "outcome"),
    [(COMMIT, "held"), ("f" * 40, "failed"), ("main", "unmeasured"), (None, "unmeasured")],
)
def test_the_revision_of_a_base_from_the_hub_is_compared_or_unknown(
    revision: str | None, outcome: str, parts: Parts, tmp_path: Path
) -> None:
    folder = tmp_path / "models--some--base" / "snapshots" / COMMIT
    parts.job = replace(parts.job, base=Base("some/base", revision, folder))
    assert parts.facts()["base revision"].outcome == outcome
