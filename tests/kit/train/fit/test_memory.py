"""The largest micro-batch is tried before the first step; if it does not fit, the message names a size that does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from kit.base import Base, find_base
from kit.recipe import FloatType, TrainSection
from kit.train.model.methods import attach, load_base
from kit.train.model.replacement import fuse_layers
from kit.train.model.split import split_model
from kit.train.plan.estimate import estimate_memory, read_shape, trained_parameters
from tests.kit.train.forks import ForkServer, tiny_base
from tests.kit.train.parts import bytes_stored

MIB = 1024**2


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    return tiny_base(tmp_path_factory.mktemp("base"))


def test_the_memory_of_a_batch_is_predicted_within_a_factor_of_two(
    forks: ForkServer, base: Base, tmp_path: Path
) -> None:
    run = forks.start(folder=str(tmp_path / "run"), base=str(base.folder), limit=8192 * MIB)
    probed = run.says("probed")
    assert run.code() == 0
    assert probed["tokens"] == 65536
    assert probed["predicted"] / 2 < probed["added"] < probed["predicted"] * 2


def test_a_batch_that_does_not_fit_is_refused_with_a_size_that_does(
    forks: ForkServer, base: Base, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    run = forks.start(folder=str(folder), base=str(base.folder), limit=240 * MIB, checkpointing="off")
    error = run.says("error")
    assert run.code() == 1
    assert "A micro-batch of 65536 tokens does not fit the memory." in error
    fits = re.search(r"train\.batch_tokens: (\d+) fits", error)
    assert fits, error
    assert 256 <= int(fits[1]) < 65536
    assert not (folder / "metrics.jsonl").exists()


def test_gradient_checkpointing_is_used_only_if_nothing_else_fits(forks: ForkServer, tmp_path: Path) -> None:
    """If a batch only fits with gradient checkpointing, the run turns it on and reports it."""
    deep = str(tiny_base(tmp_path / "deep", layers=16).folder)
    plain = forks.start(folder=str(tmp_path / "plain"), base=deep, limit=8192 * MIB)
    limit = plain.says("probed")["added"] * 3 // 4
    assert plain.code() == 0
    tight = forks.start(folder=str(tmp_path / "tight"), base=deep, limit=limit)
    probed = tight.says("probed")
    assert tight.code() == 0
    assert probed["checkpointed"]
    assert probed["added"] < limit


METHODS: list[dict[str, Any]] = [
    {"method": "lora"},
    {"method": "lora", "lora": {"dropout": 0.1}},
    {"method": "lora", "lora": {"rank": 64, "targets": ["q_proj", "v_proj"]}},
    {"method": "qlora"},
    {"method": "qlora", "lora": {"dropout": 0.1}},
    {"method": "full"},
    {"method": "prompt"},
    {"method": "prompt", "prompt": {"tokens": 128}},
    {"method": "bottleneck"},
    {"method": "bottleneck", "bottleneck": {"width": 128, "activation": "relu"}},
]


@pytest.mark.parametrize("kind", ["bfloat16", "float32"])
@pytest.mark.parametrize("settings", METHODS, ids=lambda given: "-".join(map(str, given.values())))
def test_activations_and_parameters_of_a_method_are_estimated_within_five_percent(
    settings: dict[str, Any], kind: FloatType
) -> None:
    """For qlora, peft's layer is measured over a base that is not in 4 bits; it stores the same."""
    base, section, rows, length = find_base("nano"), TrainSection.model_validate(settings), 4, 256
    loaded = section.model_copy(update={"method": "lora"}) if section.method == "qlora" else section
    model = attach(fused(load_base(base, kind, loaded, torch.device("cpu"), kind)), section, "nano").train()
    kept = bytes_stored(model, torch.arange(rows * length).view(rows, length) + 100)
    shape = read_shape(base.folder)
    assert shape is not None
    memory = estimate_memory(shape, section, kind, rows * length, 0, rows)
    assert memory is not None
    assert kept == pytest.approx(memory.activations, rel=0.05)
    trained = sum(each.numel() for each in model.parameters() if each.requires_grad)
    assert trained == pytest.approx(trained_parameters(shape, section), rel=0.002)  # norms are left out


def test_with_gradient_checkpointing_layers_are_estimated_to_store_their_inputs() -> None:
    """The formula adds one whole layer: the backward pass recomputes one layer at a time."""
    base, rows, length = find_base("nano"), 2, 256
    loaded = load_base(base, "float32", TrainSection(), torch.device("cpu"), "float32")
    model = attach(fused(loaded), TrainSection(), "nano")
    split_model(model.train()).checkpoint_layers(True)
    kept = bytes_stored(model, torch.arange(rows * length).view(rows, length) + 100)
    shape = read_shape(base.folder)
    assert shape is not None
    on, off = (
        estimate_memory(shape, TrainSection(gradient_checkpointing=how), "float32", rows * length, 0, rows)
        for how in ("on", "off")
    )
    assert on is not None
    assert off is not None
    assert kept + off.activations / shape.layers == pytest.approx(on.activations, rel=0.1)


def fused(base: Any) -> Any:
    assert fuse_layers(base).replaced
    return base
