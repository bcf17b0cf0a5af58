"""Weights keep their stored values, and adapters are attached to the modules that the recipe names."""

from __future__ import annotations

import pytest
import torch

from kit.base import find_base
from kit.errors import InputError
from kit.train.model.loading import load_model
from kit.train.model.methods import attach
from tests.kit.train.parts import section

CPU = torch.device("cpu")


def test_computing_in_float32_keeps_the_stored_values() -> None:
    base = find_base("nano")
    stored, widened = (load_model(base, "bfloat16", CPU, kind).state_dict() for kind in ("bfloat16", "float32"))
    assert {value.dtype for value in widened.values()} == {torch.float32}
    assert all(torch.equal(stored[name].float(), value) for name, value in widened.items())


def test_all_linear_adapts_every_layer_but_the_head_in_float32_over_a_bfloat16_base() -> None:
    model = attach(load_model(find_base("nano"), "bfloat16", CPU), section(), "nano")
    trainable = {name: value for name, value in model.named_parameters() if value.requires_grad}
    assert len(trainable) == 8 * 7 * 2
    assert not any("lm_head" in name or "embed" in name for name in trainable)
    assert {value.dtype for value in trainable.values()} == {torch.float32}
    frozen = {value.dtype for value in model.parameters() if not value.requires_grad}
    assert frozen == {torch.bfloat16}


def test_named_targets_are_adapted_and_no_others() -> None:
    model = attach(load_model(find_base("nano"), "bfloat16", CPU), section(lora={"targets": ["q_proj"]}), "nano")
    assert len([name for name, value in model.named_parameters() if value.requires_grad]) == 8 * 2


def test_targets_that_match_no_module_are_refused_even_if_another_one_does() -> None:
    lora = {"targets": ["q_proj", "up_porj", "lm_head"]}
    with pytest.raises(InputError) as error:
        attach(load_model(find_base("nano"), "bfloat16", CPU), section(lora=lora), "nano")
    near, head = error.value.problems
    assert "'up_porj'" in near.what
    assert near.next == "Did you mean 'up_proj'?"
    assert "'lm_head'" in head.what
