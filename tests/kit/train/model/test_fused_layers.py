"""Fused layers compute the same as the model's own, store less, and never replace an unknown module."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.models.qwen3.modeling_qwen3 import Qwen3RMSNorm

from kit.base import find_base
from kit.recipe import TrainSection
from kit.train.events import Event, Planned
from kit.train.loop import train
from kit.train.model.methods import attach, load_base
from kit.train.model.recompute import CheapTensors, recomputing
from kit.train.model.replacement import FusedLayers, fuse_layers
from tests.kit.train.parts import bytes_stored, job

SIZES = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
}
PARTS = {"qwen3": 4 + 1 + 4 + 2 + 2, "qwen2": 5 + 2 + 2, "llama": 5 + 2 + 2, "mistral": 5 + 2 + 2}
"""Norms of the layers and the last one, of queries and keys, gates, attentions."""
METHODS: list[dict[str, Any]] = [{"method": "full"}, {"method": "lora"}, {"method": "lora", "lora": {"dropout": 0.2}}]


def model_of(kind: str, section: TrainSection, take: Callable[[nn.Module], Any] = lambda _: None) -> Any:
    """Return a random model with a method attached, always the same; `take` changes the base before."""
    torch.manual_seed(0)
    base = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **SIZES))
    with torch.no_grad():
        for name, weight in base.named_parameters():
            if "norm" in name:
                weight.normal_(1, 0.3)
    take(base)
    model = attach(base, section, "random")
    torch.manual_seed(1)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(weight, std=0.05)
    return model.train()


def gradients(model: Any, kept: Any) -> dict[str, Tensor]:
    """Return the gradient of every trained tensor, for two rows of different text."""
    torch.manual_seed(2)
    ids = torch.randint(64, (2, 24))
    torch.manual_seed(3)
    with kept:
        loss = model(input_ids=ids, labels=ids, use_cache=False).loss
    loss.backward()
    found = {name: weight.grad for name, weight in model.named_parameters() if weight.requires_grad}
    return {"loss": loss.detach(), **{name: value for name, value in found.items() if value is not None}}


@pytest.mark.parametrize("settings", METHODS, ids=lambda given: "-".join(map(str, given.values())))
@pytest.mark.parametrize("kind", PARTS)
def test_loss_and_all_gradients_are_those_of_the_models_own_parts(kind: str, settings: dict[str, Any]) -> None:
    section, taken = TrainSection.model_validate(settings), []
    stock = gradients(model_of(kind, section), nullcontext())
    fused = gradients(model_of(kind, section, lambda base: taken.append(fuse_layers(base))), recomputing())
    assert taken == [FusedLayers(PARTS[kind], {})]
    assert stock.keys() == fused.keys()
    assert all(bool(value.any()) for value in stock.values())
    for name, expected in stock.items():
        gap = (fused[name] - expected).norm() / expected.norm()
        assert float(gap) < 1e-5, name


def test_in_bfloat16_their_rounding_error_is_no_larger_than_the_models_own() -> None:
    exact = gradients(model_of("qwen3", TrainSection()), nullcontext())

    def halved(base: nn.Module, also: bool) -> None:
        base.bfloat16()
        assert not also or fuse_layers(base) == FusedLayers(PARTS["qwen3"], {})

    def error(also: bool) -> float:
        found = gradients(model_of("qwen3", TrainSection(), lambda base: halved(base, also)), recomputing())
        return sum(float((found[name].float() - value).norm() / value.norm()) for name, value in exact.items())

    assert error(True) < 1.3 * error(False)


@pytest.mark.parametrize("settings", METHODS[:2], ids=lambda given: given["method"])
def test_nano_stores_at_most_two_thirds_of_the_activations(settings: dict[str, Any]) -> None:
    section, kept = TrainSection.model_validate(settings), []
    for less in (False, True):
        base = load_base(find_base("nano"), "float32", section, torch.device("cpu"))
        assert not less or fuse_layers(base).replaced
        kept.append(bytes_stored(attach(base, section, "nano").train(), torch.arange(512).view(2, 256) + 100))
    stock, fused = kept
    assert fused < 2 / 3 * stock


def test_a_tensor_that_several_products_read_is_recomputed_once_and_released_after_the_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In each of two layers: two norms, read by three and by two products, and a gate, read by one."""
    kept, made, pack = [], [], CheapTensors.pack

    def counted(tensor: Any, compute: Callable[[], Tensor]) -> Callable[[], Tensor]:
        def counting() -> Tensor:
            made.append(tensor)
            return compute()

        return counting

    def packed(cheap: CheapTensors, saved: Tensor) -> Any:
        found = pack(cheap, saved)
        if isinstance(found, tuple) and found[0] not in kept:
            saved_once, compute = found[0], found[0].compute
            saved_once.compute = counted(saved_once, compute)
            kept.append(saved_once)
        return found

    monkeypatch.setattr(CheapTensors, "pack", packed)
    gradients(model_of("qwen3", TrainSection(), fuse_layers), recomputing())
    assert len(kept) == 2 * 3
    assert sorted(map(id, made)) == sorted(map(id, kept))
    assert all(each.readers == 0 and each.cached is None for each in kept)


@pytest.mark.parametrize("kind", ["qwen3", "llama"])
def test_under_autocast_types_are_those_of_the_models_own_parts(kind: str) -> None:
    """Full tuning on a GPU: weights in float32, products in bfloat16."""
    section = TrainSection(method="full")
    exact = gradients(model_of(kind, section), nullcontext())

    def error(*taken: Any) -> float:
        with torch.autocast("cpu", torch.bfloat16):
            found = gradients(model_of(kind, section, *taken), recomputing())
        assert all(found[name].dtype == value.dtype for name, value in exact.items())
        return sum(float((found[name] - value).norm() / value.norm()) for name, value in exact.items())

    assert error(fuse_layers) < 1.1 * error()


def test_a_run_reports_how_many_parts_are_fused(tmp_path: Path) -> None:
    events: list[Event] = []
    train(job(tmp_path), None, events.append)
    planned = next(event for event in events if isinstance(event, Planned))
    assert planned.fused_layers == 8 * 2 + 1 + 8 * 2 + 8 + 8


def test_a_tensor_that_was_changed_in_place_is_stored_itself() -> None:
    norm = Qwen3RMSNorm(8).requires_grad_(False)
    assert fuse_layers(norm).replaced == 1
    x, weight = torch.randn(3, 8, requires_grad=True), torch.randn(8, 8, requires_grad=True)
    with recomputing():
        out = (norm(x).mul_(2) @ weight).sum()
    out.backward()
    assert weight.grad is not None
    torch.testing.assert_close(weight.grad, (2 * norm(x)).detach().t() @ torch.ones(3, 8))


class Beyond(Qwen3RMSNorm):  # type: ignore[misc]  # transformers is not typed
    """A norm with an additional operation."""

    def forward(self, hidden_states: Tensor) -> Tensor:
        y: Tensor = super().forward(hidden_states) + hidden_states * 0.01
        return y


def test_a_module_that_only_looks_similar_is_not_replaced() -> None:
    """Gemma's norms add one to their weights, its gates are not silu, and its attention caps its scores."""
    assert fuse_layers(Beyond(8)).replaced == 0
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model("gemma2", **SIZES, sliding_window=8))
    assert fuse_layers(model).replaced == 0


def test_an_attention_with_an_unknown_setting_is_not_replaced() -> None:
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model("llama", **SIZES))
    for layer in model.model.layers:
        layer.self_attn.logit_cap = 30.0
    assert fuse_layers(model).replaced == PARTS["llama"] - 2
