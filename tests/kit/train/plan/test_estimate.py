"""Estimates from the configuration agree with the files on disk, and are None if the formula does not apply."""

from __future__ import annotations

import json
import math
import struct
from dataclasses import replace
from pathlib import Path

import pytest

from kit.base import NANO, find_base
from kit.preflight.time import Work, forecast
from kit.project.project import Project
from kit.recipe import FloatType, LoraSection, PeftSection, PromptSection, TrainSection
from kit.train.plan.estimate import (
    Memory,
    Shape,
    estimate_memory,
    largest_batch,
    read_shape,
    training_flops,
    what_is_unknown,
)
from tests.kit.toy import make_toy


def sizes(file: Path) -> dict[str, int]:
    """Number of elements of each tensor of a safetensors file, from its header."""
    with file.open("rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        header = json.loads(stream.read(length))
    return {name: math.prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__"}


def test_parameters_are_those_of_the_weights_on_disk() -> None:
    shape = read_shape(NANO)
    assert shape is not None
    on_disk = dict(item for file in find_base("nano").weight_files() for item in sizes(file).items())
    assert shape.parameters == sum(size for name, size in on_disk.items() if "norm" not in name)
    linear = sum(size for name, size in on_disk.items() if "_proj" in name)
    assert shape.linear_parameters == linear


def estimate(shape: Shape, section: TrainSection, compute: FloatType, tokens: int) -> Memory:
    memory = estimate_memory(shape, section, compute, tokens, labels=10, rows=1)
    assert memory is not None
    return memory


def test_the_adapter_is_counted_by_its_targets_and_rank() -> None:
    shape = read_shape(NANO)
    assert shape is not None
    small = TrainSection(lora=LoraSection(rank=8, targets=["q_proj", "v_proj"]))
    memory = estimate(shape, small, "float32", tokens=100)
    assert memory.adapter == 4 * 8 * 8 * ((256 + 256) + (256 + 128))
    assert memory.optimiser == 3 * memory.adapter
    twice = estimate(shape, small, "float32", tokens=200)
    assert twice.activations == 2 * memory.activations
    assert estimate(shape, small, "bfloat16", tokens=100).weights == memory.weights / 2


def test_all_weights_are_counted_in_float32() -> None:
    shape = read_shape(NANO)
    assert shape is not None
    memory = estimate(shape, TrainSection(method="full"), "bfloat16", tokens=100)
    assert (memory.weights, memory.adapter, memory.optimiser) == (4 * shape.parameters, 0, 12 * shape.parameters)


def test_four_bits_shrink_the_layers_and_not_the_embeddings() -> None:
    shape = read_shape(NANO)
    assert shape is not None
    memory, plain = (estimate(shape, TrainSection(method=method), "bfloat16", 100) for method in ("qlora", "lora"))
    embeddings = 2 * shape.vocabulary * shape.hidden
    assert memory.weights - embeddings == pytest.approx((plain.weights - embeddings) * 0.516 / 2, rel=1e-3)
    assert (memory.adapter, memory.optimiser) == (plain.adapter, plain.optimiser)


def test_a_soft_prompt_makes_every_row_longer() -> None:
    shape = read_shape(NANO)
    assert shape is not None
    section = TrainSection(method="prompt", prompt=PromptSection(tokens=50))
    one, four = (estimate_memory(shape, section, "float32", 400, 10, rows) for rows in (1, 4))
    assert one is not None
    assert four is not None
    assert four.activations / one.activations == pytest.approx(600 / 450)
    assert one.adapter == 4 * 50 * shape.hidden


def test_for_a_method_without_a_formula_the_reason_is_given() -> None:
    shape, section = read_shape(NANO), TrainSection(method="peft", peft=PeftSection(type="IA3"))
    assert shape is not None
    assert estimate_memory(shape, section, "float32", 100, 10, 1) is None
    said = what_is_unknown(shape, section, "float32")
    assert said.startswith("for peft's IA3, the number of its parameters")
    assert "the frozen base takes 0.03 GiB" in said
    assert what_is_unknown(None, section, "float32") == "the base is not a decoder of the usual kind"


def test_a_forecast_says_why_the_memory_is_unknown(tmp_path: Path) -> None:
    recipe = Project(make_toy(tmp_path / "toy")).recipe()
    other = recipe.train.model_copy(update={"method": "peft", "peft": PeftSection(type="IA3")})
    made = forecast(tmp_path, NANO, recipe.model_copy(update={"train": other}), Work(10, 100, 20, 10), None, None)
    assert made.memory is None
    assert made.lines()[0].startswith("memory: unknown: for peft's IA3")


@pytest.mark.parametrize("change", [{"num_experts": 8}, {"text_config": {}}, {"intermediate_size": None}])
def test_a_base_of_another_kind_is_not_estimated(change: dict[str, object], tmp_path: Path) -> None:
    config = json.loads((NANO / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, **change}))
    assert read_shape(tmp_path) is None


def test_the_largest_batch_is_bounded_by_rows_and_by_tokens(tmp_path: Path) -> None:
    recipe = Project(make_toy(tmp_path / "toy")).recipe()
    assert largest_batch(recipe, rows=4, longest=100) == 400
    assert largest_batch(recipe, rows=1000, longest=100) == recipe.train.batch_rows * 100
    assert largest_batch(recipe, rows=1000, longest=2000) == recipe.train.batch_tokens


def test_flops_without_attention_and_labels_are_four_per_parameter_and_token() -> None:
    shape = read_shape(NANO)
    assert shape is not None
    assert training_flops(shape, tokens=10, labels=0, length=0) == 40 * shape.linear_parameters
    assert training_flops(shape, 10, 0, 100) > training_flops(replace(shape, layers=4), 10, 0, 100)
