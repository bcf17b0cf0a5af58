"""The loss at labels equals that of the whole logits, however a step is split."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor
from torch.nn import functional
from transformers import AutoModelForCausalLM, CohereConfig, Gemma2Config, GraniteConfig, PretrainedConfig

from kit.base import find_base
from kit.data.rows import Row
from kit.errors import InputError
from kit.train.model.loading import load_model
from kit.train.model.methods import attach
from kit.train.model.split import Body, split_model
from kit.train.plan.packing import Step
from kit.train.plan.plan import StepPlan
from kit.train.step import loss
from kit.train.step.batch import collate
from kit.train.step.loss import batch_loss
from kit.train.step.optimiser import Optimiser
from tests.kit.train.parts import PAD, copy_rows, section

CPU = torch.device("cpu")
Gradients = dict[str, Tensor]


@pytest.fixture(scope="module")
def body() -> Body:
    model = attach(load_model(find_base("nano"), "float32", CPU), section(), "nano")
    draw = torch.Generator().manual_seed(3)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:  # a fresh second factor is zero, and would hide the gradient of the first
            parameter.data.normal_(0, 0.02, generator=draw)
    return split_model(model)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def gradients(body: Body, rows: list[Row], micros: list[list[int]]) -> tuple[Gradients, Tensor, Tensor]:
    """Gradients, loss and per-row means of one step, with its rows split into `micros`."""
    step = Step(tuple(map(tuple, micros)))
    optimiser = Optimiser(body, StepPlan(tuple(rows), (step,), section()), PAD, CPU)
    optimiser.adam.zero_grad()
    total, means = optimiser.accumulate(step)
    found = {name: value.grad.clone() for name, value in body.model.named_parameters() if value.grad is not None}
    return found, total, means


def assert_close(found: Gradients, expected: Gradients) -> None:
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        gap = float((found[name] - gradient).norm() / gradient.norm())
        assert gap < 1e-5, f"{name} differs by {gap:.1e}"


def plain_loss(body: Body, row: Row) -> Tensor:
    """The sum of nats over a row's supervised tokens, from the whole model's logits."""
    ids = torch.tensor([row.ids])
    logits = body.model(input_ids=ids).logits[0, row.answer_start - 1 : -1]
    return functional.cross_entropy(logits, ids[0, row.answer_start :], reduction="sum")


def test_loss_and_gradients_are_those_of_the_whole_logits(body: Body) -> None:
    rows = copy_rows(3)
    found, total, means = gradients(body, rows, [[0, 1, 2]])
    body.model.zero_grad()
    sums = [plain_loss(body, row) for row in rows]
    expected = sum(sums, torch.zeros(())) / sum(len(row.ids) - row.answer_start for row in rows)
    expected.backward()  # type: ignore[no-untyped-call]
    assert float(total) == pytest.approx(expected.item(), rel=1e-5)
    assert means.tolist() == pytest.approx([each.item() / 4 for each in sums], rel=1e-5)
    plain = {name: value.grad for name, value in body.model.named_parameters() if value.grad is not None}
    assert_close(found, plain)


@pytest.mark.parametrize("count", [8, 3], ids=["a full step", "a last step with fewer rows"])
def test_gradients_are_the_same_however_a_step_is_split(count: int, body: Body) -> None:
    rows = copy_rows(count)
    rows[2] = replace(rows[2], answer_start=5)  # a row with more supervised tokens counts more
    whole, total, _ = gradients(body, rows, [[*range(count)]])
    for size in (1, 2, 4):
        micros = [[*range(start, min(start + size, count))] for start in range(0, count, size)]
        found, loss_of_split, _ = gradients(body, rows, micros)
        assert float(loss_of_split) == pytest.approx(float(total), rel=1e-5)
        assert_close(found, whole)


def test_a_row_of_weight_two_counts_like_the_row_twice(body: Body) -> None:
    rows = copy_rows(3)
    twice, total, _ = gradients(body, rows, [[0, 1, 2, 2]])
    heavy, loss_of_heavy, _ = gradients(body, [*rows[:2], replace(rows[2], weight=2.0)], [[0, 1, 2]])
    assert float(loss_of_heavy) == pytest.approx(float(total), rel=1e-5)
    assert_close(heavy, twice)


def test_logits_in_small_chunks_change_nothing(body: Body, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = copy_rows(5)
    whole, total, _ = gradients(body, rows, [[*range(5)]])
    monkeypatch.setattr(loss, "CHUNK", 8)  # products of fewer rows round otherwise on some processors
    found, loss_of_chunks, _ = gradients(body, rows, [[*range(5)]])
    assert float(loss_of_chunks) == pytest.approx(float(total), rel=1e-6)
    assert_close(found, whole)


def test_a_row_does_not_attend_to_its_neighbours_or_its_padding(body: Body) -> None:
    short, long = copy_rows(1, longest=9)[0], copy_rows(1, seed=4, shortest=30, longest=30)[0]
    alone = batch_loss(body, collate([short], PAD, CPU), 1.0).rows
    beside = batch_loss(body, collate([short, long], PAD, CPU), 1.0).rows
    padded_otherwise = batch_loss(body, collate([short, long], 17, CPU), 1.0).rows
    assert float(beside[0]) == pytest.approx(float(alone[0]), rel=1e-5)
    assert torch.equal(beside, padded_otherwise)


SMALL = {
    "vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 2,
    "num_key_value_heads": 2, "head_dim": 16, "pad_token_id": 0,
}  # fmt: skip


@pytest.mark.parametrize(
    "config",
    [GraniteConfig(**SMALL, logits_scaling=8.0), Gemma2Config(**SMALL, final_logit_softcapping=0.5)],
    ids=["scaled logits", "capped logits"],
)
def test_what_an_architecture_does_to_its_logits_is_part_of_the_loss(config: PretrainedConfig) -> None:
    torch.manual_seed(0)
    model = get_peft_model(AutoModelForCausalLM.from_config(config), LoraConfig(target_modules="all-linear")).eval()
    body, row = split_model(model), Row("a", "a", (5, 9, 13, 22, 40), 2)
    found = batch_loss(body, collate([row], 0, CPU), 1.0).rows
    assert float(found[0]) == pytest.approx(plain_loss(body, row).item(), rel=1e-5)


def test_a_model_that_does_something_unknown_to_its_logits_is_refused() -> None:
    torch.manual_seed(0)
    small = {key: value for key, value in SMALL.items() if key != "head_dim"}
    base = AutoModelForCausalLM.from_config(CohereConfig(**small, logit_scale=0.25))
    with pytest.raises(InputError, match="CohereForCausalLM changes its logits"):
        split_model(get_peft_model(base, LoraConfig(target_modules="all-linear")))
