"""Elastic weight consolidation: Fisher information and penalty against slow references, and its use in a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional
from transformers import Qwen3Config, Qwen3ForCausalLM

from kit.data.rows import Row
from kit.errors import InputError
from kit.train.events import Event, Stepped
from kit.train.job import Stopped
from kit.train.loop import train
from kit.train.model.methods import attach
from kit.train.model.split import Body, split_model
from kit.train.report.applied import read_facts
from kit.train.step.ewc import Elastic, fisher_diagonal, reference_rows, trained_weights
from tests.kit.train.parts import copy_rows, job, section
from tests.kit.train.tiny import make_tiny

ROWS = [Row(f"row-{n}", "g", tuple(10 + (n * 7 + k) % 40 for k in range(9)), 5) for n in range(3)]
Q = "base_model.model.model.layers.0.self_attn.q_proj"


@pytest.fixture
def body() -> Body:
    """A model of two small layers with a fresh adapter, in float32."""
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=16, tie_word_embeddings=True,
    )  # fmt: skip
    return split_model(attach(Qwen3ForCausalLM(config), section(), "small"))


def weights(body: Body) -> dict[str, torch.Tensor]:
    return {name: each.weight for name, each in trained_weights(body.model).items()}


def move(body: Body, seed: int = 1) -> None:
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in body.model.named_parameters():
        if "lora_B" in name:
            parameter.data = 0.1 * torch.randn(parameter.shape, generator=generator)


def test_the_fisher_information_is_the_expected_square_of_the_gradient(body: Body) -> None:
    """With many samples, it approaches the expectation over the model's own answers, position by position."""
    row = ROWS[0]
    drawn = fisher_diagonal(body, weights(body), [row] * 800, seed=0)[Q]
    weight = weights(body)[Q].requires_grad_(True)
    logits = body.head(body.hidden(torch.tensor(row.ids)[None])[0, row.answer_start - 1 : -1])
    exact = torch.zeros_like(weight)
    for position in logits:
        likely = position.detach().softmax(-1)
        for token, share in enumerate(likely):
            nats = functional.cross_entropy(position[None], torch.tensor([token]))
            (gradient,) = torch.autograd.grad(nats, weight, retain_graph=True)
            exact += share * gradient.square()
    exact /= len(logits)
    assert float((drawn - exact).abs().sum() / exact.sum()) < 0.15


def test_estimating_it_changes_nothing_of_the_model(body: Body) -> None:
    before = {name: (each.clone(), each.requires_grad) for name, each in body.model.named_parameters()}
    state, training = torch.get_rng_state(), body.model.training
    fisher_diagonal(body, weights(body), ROWS, seed=0)
    assert torch.equal(torch.get_rng_state(), state)
    assert body.model.training == training
    for name, each in body.model.named_parameters():
        assert torch.equal(each, before[name][0])
        assert each.requires_grad == before[name][1]
        assert each.grad is None


def test_the_penalty_is_that_of_the_merged_weights_and_so_are_its_gradients(body: Body) -> None:
    elastic = Elastic(body, ROWS, strength=50.0, seed=0)
    assert elastic.value() == 0.0
    fisher = fisher_diagonal(body, weights(body), ROWS, seed=0)
    before = {name: weight.clone() for name, weight in weights(body).items()}
    move(body)
    elastic.add_gradients()
    expected = torch.zeros(())
    for name, module in body.model.named_modules():
        if name in fisher:
            change = module.get_delta_weight("default")
            expected = expected + 25.0 * (fisher[name] * change.square()).sum()
    assert elastic.value() == pytest.approx(float(expected.detach()), rel=1e-5)
    factors = [each for name, each in body.model.named_parameters() if "lora_" in name]
    slow = torch.autograd.grad(25.0 * sum(
        (fisher[name] * (2.0 * 2.0 * (m.lora_B["default"].weight @ m.lora_A["default"].weight)).square()).sum()
        for name, m in body.model.named_modules() if name in fisher
    ), factors)  # fmt: skip
    for parameter, gradient in zip(factors, slow, strict=True):
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-7)
    assert all(torch.equal(before[name], weight) for name, weight in weights(body).items())


def test_changing_the_factors_but_not_the_model_does_not_raise_the_penalty(body: Body) -> None:
    elastic = Elastic(body, ROWS, strength=50.0, seed=0)
    move(body)
    before = elastic.value()
    for module in body.model.modules():
        if getattr(module, "lora_A", None):
            turn, _ = torch.linalg.qr(torch.randn(8, 8))
            module.lora_A["default"].weight.data = turn @ module.lora_A["default"].weight.data
            module.lora_B["default"].weight.data = module.lora_B["default"].weight.data @ turn.T
    assert elastic.value() == pytest.approx(before, rel=1e-4)


def test_full_fine_tuning_is_penalised_for_leaving_its_initial_weights() -> None:
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 2, bias=False)
    (moved,) = trained_weights(model).values()
    model.weight.data += 0.5
    torch.testing.assert_close(moved.change(), torch.full((2, 3), 0.5))


def test_a_lora_variant_that_changes_weights_differently_is_refused(body: Body) -> None:
    layer: Any = body.model.get_submodule(Q)
    layer.lora_variant["default"] = object()
    with pytest.raises(InputError, match=r"train\.ewc: The layer .*q_proj' is not a plain LoRA layer"):
        trained_weights(body.model)


@pytest.mark.parametrize(
    "settings",
    [
        {"method": "prompt"},
        {"method": "bottleneck"},
        {"method": "peft", "peft": {"type": "IA3"}},
        {"method": "qlora"},
        {"lora": {"dora": True}},
        {"lora": {"initialisation": "pissa"}},
    ],
)
def test_a_method_that_does_not_change_the_base_is_refused_with_the_recipe(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="ewc protects the base's own weights"):
        section(ewc={"data": "unused.jsonl", "strength": 1.0}, **settings)


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_run_applies_the_penalty_and_its_facts_are_ok(method: str, tmp_path: Path) -> None:
    """The gradients of the penalty do not count as a backward pass of the loss."""
    made = replace(elastic_job(tmp_path / "run", 10.0, method=method), base=make_tiny(tmp_path / "tiny"))
    trained = train(made, None, silent)
    assert ((trained.history[-1].scores or {})["ewc_penalty"] or 0.0) > 0
    facts = read_facts(made.folder)
    assert facts is not None
    assert {fact.name: fact.outcome for fact in facts if fact.outcome != "held"} == {}


def test_the_same_reference_rows_are_chosen_whatever_their_order() -> None:
    rows = copy_rows(20)
    assert reference_rows(rows, 5) == reference_rows(rows[::-1], 5)
    assert len(reference_rows(rows, 50)) == 20


def silent(_: Event) -> None:
    """Report nothing."""


def elastic_job(folder: Path, strength: float, method: str = "lora", **settings: Any) -> Any:
    ewc = section(method=method, ewc={"data": "unused.jsonl", "strength": strength})
    return job(folder, train=ewc, reference=copy_rows(4, seed=5), dtype="float32", **settings)


def test_a_stronger_penalty_keeps_the_weights_closer_to_what_the_reference_needs(tmp_path: Path) -> None:
    moved = []
    for strength in (1.0, 1e5):
        trained = train(elastic_job(tmp_path / str(strength), strength), None, silent)
        scores = trained.history[-1].scores or {}
        moved.append((scores["ewc_penalty"] or 0.0) / strength)
    assert 0 < moved[1] < moved[0] / 4


def test_a_resumed_run_has_the_same_penalty_to_the_bit(tmp_path: Path) -> None:
    whole = train(elastic_job(tmp_path / "whole", 1e4), None, silent)

    def stop(event: Event) -> None:
        if isinstance(event, Stepped) and event.step == 4:
            raise KeyboardInterrupt

    cut = elastic_job(tmp_path / "cut", 1e4, save_seconds=0.0)
    with pytest.raises(Stopped):
        train(cut, None, stop)
    resumed = train(replace(cut, resume=True), None, silent)
    files = [each.adapter / "adapter_model.safetensors" for each in (whole, resumed)]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert resumed.history == whole.history


def test_other_reference_rows_make_another_run(tmp_path: Path) -> None:
    first = elastic_job(tmp_path, 1e4)
    train(first, None, silent)
    other = replace(first, resume=True, reference=copy_rows(4, seed=6))
    with pytest.raises(InputError, match="reference rows"):
        train(other, None, silent)
