"""A part of the base is replaced only if the fused code computes the same within rounding, in both types."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.models.llama.modeling_llama import LlamaAttention
from transformers.models.qwen3.modeling_qwen3 import Qwen3RMSNorm

from kit.base import find_base
from kit.cli.shared.output import Output
from kit.cli.shared.progress import TrainingLine
from kit.recipe import FloatType, TrainSection
from kit.train.events import Event
from kit.train.loop import train
from kit.train.model.methods import load_base
from kit.train.model.replacement import FusedLayers, fuse_layers
from tests.kit.train.model.test_fused_layers import PARTS, SIZES
from tests.kit.train.parts import job, planned_of
from tests.kit.train.tiny import make_tiny

NANO_PARTS = 8 * 2 + 1 + 8 * 2 + 8 + 8
TYPES = [torch.float32, torch.bfloat16]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_every_part_of_nano_is_replaced_in_both_types(dtype: FloatType) -> None:
    """Its attentions reach values of 29, where one rounding step of bfloat16 is 0.125."""
    base = load_base(find_base("nano"), dtype, TrainSection(), torch.device("cpu"))
    assert fuse_layers(base) == FusedLayers(NANO_PARTS, {})


class Beyond(Qwen3RMSNorm):  # type: ignore[misc]  # transformers is not typed
    """A norm with an error of one hundredth: less than the rounding of the largest values in bfloat16."""

    def forward(self, hidden_states: Tensor) -> Tensor:
        y: Tensor = super().forward(hidden_states) * 1.01
        return y


class Late(Qwen3RMSNorm):  # type: ignore[misc]  # transformers is not typed
    """A norm with the right output and a wrong gradient."""

    def forward(self, hidden_states: Tensor) -> Tensor:
        y: Tensor = super().forward(hidden_states)
        return y + (hidden_states - hidden_states.detach())


def model(change: Callable[[Any], Any], dtype: torch.dtype) -> Any:
    torch.manual_seed(0)
    made = AutoModelForCausalLM.from_config(AutoConfig.for_model("llama", **SIZES))
    change(made)
    return made.to(dtype)


def other_gate(made: Any) -> None:
    for layer in made.model.layers:
        layer.mlp.act_fn = nn.GELU()


class Loud(LlamaAttention):  # type: ignore[misc]  # transformers is not typed
    """An attention whose output is a thousandth larger."""

    def forward(self, *args: Any, **others: Any) -> Any:
        out, seen = super().forward(*args, **others)
        return out * 1.001, seen


def other_scale(made: Any) -> None:
    for layer in made.model.layers:
        layer.self_attn.__class__ = Loud


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("kind", [Beyond, Late])
def test_a_norm_with_another_formula_is_not_replaced(kind: type[Qwen3RMSNorm], dtype: torch.dtype) -> None:
    found = fuse_layers(kind(64).to(dtype))
    assert (found.replaced, sum(found.kept.values())) == (0, 1)
    (message,) = found.sentences()
    assert message.startswith(f"1 {kind.__name__} in {str(dtype).removeprefix('torch.')} keeps the model's own")


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_a_gate_with_another_activation_is_not_replaced(dtype: torch.dtype) -> None:
    found = fuse_layers(model(other_gate, dtype))
    assert found.replaced == PARTS["llama"] - 2
    assert found.kept == {f"LlamaMLP in {str(dtype).removeprefix('torch.')}": 2}


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_an_attention_that_is_off_by_a_thousandth_is_not_replaced(dtype: torch.dtype) -> None:
    found = fuse_layers(model(other_scale, dtype))
    assert found.replaced == PARTS["llama"] - 2
    assert found.kept == {f"Loud in {str(dtype).removeprefix('torch.')}": 2}


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
def test_the_size_of_the_values_does_not_decide(size: float, dtype: torch.dtype) -> None:
    def sized(made: Any) -> None:
        with torch.no_grad():
            for name, weight in made.named_parameters():
                if "o_proj" in name or "norm" in name or "down_proj" in name:
                    weight.mul_(size)

    assert fuse_layers(model(sized, dtype)) == FusedLayers(PARTS["llama"], {})


def test_parts_with_nan_weights_are_not_replaced() -> None:
    norm = Qwen3RMSNorm(8)
    norm.weight.data[0] = float("nan")
    assert fuse_layers(norm).replaced == 0


def test_a_run_says_which_parts_are_slower_and_in_which_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("kit.train.model.replacement._ROUNDING_STEPS", -1)
    events: list[Event] = []
    asked = job(tmp_path, base=make_tiny(tmp_path / "base"), dtype="float32")
    train(asked, None, events.append)
    planned = planned_of(events)
    assert (planned.fused_layers, planned.compute) == (0, "float32")
    assert "2 Qwen3Attention in float32 keep the model's own, slower code" in planned.slower[0]
    with TrainingLine(Output()) as line:
        line.report(planned)
    message = capsys.readouterr().err
    assert "computed in float32" in message
    assert "Slower: 2 Qwen3Attention in float32" in message
