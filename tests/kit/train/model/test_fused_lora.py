"""The fused LoRA layer equals peft's own layer in output and gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import pytest
import torch
from peft import LoraConfig
from peft.tuners.lora.layer import Linear
from torch import Tensor, nn

from kit.train.model.fused_lora import FusedLinear

ROWS, TOKENS, INPUTS, OUTPUTS = 3, 5, 12, 20
Layer: TypeAlias = Linear | FusedLinear


def layer(kind: Callable[..., Layer], dtype: torch.dtype, bias: bool) -> Layer:
    torch.manual_seed(0)
    base = nn.Linear(INPUTS, OUTPUTS, bias=bias, dtype=dtype).requires_grad_(False)
    made = kind(base, "default", LoraConfig(), r=4, lora_alpha=10)
    made.lora_A.float(), made.lora_B.float()
    nn.init.normal_(made.lora_B["default"].weight)
    return made


def gap(found: Tensor, expected: Tensor) -> float:
    return float((found.float() - expected).norm() / expected.norm())


def output_and_gradients(of: Layer, x: Tensor) -> list[Tensor]:
    x = x.clone().requires_grad_()
    y = of(x)
    (y.float() ** 2).sum().backward()
    factors = [of.lora_A["default"].weight.grad, of.lora_B["default"].weight.grad]
    return [y.detach(), *(gradient for gradient in (x.grad, *factors) if gradient is not None)]


@pytest.mark.parametrize("bias", [True, False])
def test_the_fused_layer_is_pefts_layer_in_output_and_gradients(bias: bool) -> None:
    x = torch.randn(ROWS, TOKENS, INPUTS)
    found = output_and_gradients(layer(FusedLinear, torch.float32, bias), x)
    expected = output_and_gradients(layer(Linear, torch.float32, bias), x)
    assert len(found) == len(expected) == 4
    for ours, theirs in zip(found, expected, strict=True):
        assert gap(ours, theirs) < 1e-6


def test_under_bfloat16_the_factors_stay_float32_and_so_do_their_gradients() -> None:
    x = torch.randn(ROWS, TOKENS, INPUTS)
    exact = output_and_gradients(layer(Linear, torch.float32, False), x)
    y, _, down, up = output_and_gradients(layer(FusedLinear, torch.bfloat16, False), x.bfloat16())
    assert (y.dtype, down.dtype, up.dtype) == (torch.bfloat16, torch.float32, torch.float32)
    for ours, theirs in ((y, exact[0]), (down, exact[2]), (up, exact[3])):
        assert gap(ours, theirs) < 0.02


def test_a_switched_off_adapter_leaves_the_base() -> None:
    fused, x = layer(FusedLinear, torch.float32, True), torch.randn(TOKENS, INPUTS)
    fused.enable_adapters(False)
    assert torch.equal(fused(x), fused.base_layer(x))


def test_a_merged_layer_answers_the_same() -> None:
    fused, x = layer(FusedLinear, torch.float32, True), torch.randn(TOKENS, INPUTS)
    before = fused(x)
    fused.merge()
    torch.testing.assert_close(fused(x), before, rtol=1e-4, atol=1e-5)
