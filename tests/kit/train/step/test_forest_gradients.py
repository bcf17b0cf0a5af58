"""A forest gives the same loss and gradients as its rows alone: in float32, for all trained tensors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import CONFIG_MAPPING

from kit.base import find_base
from kit.data.rows import Row
from kit.train.model.loading import load_model
from kit.train.model.methods import attach
from kit.train.model.split import Body, split_model
from kit.train.plan.packing import Step, make_packs
from kit.train.plan.plan import StepPlan, make_plan
from kit.train.plan.sharing import ARCHITECTURES, Sharing
from kit.train.plan.trees import build_forest, encoded
from kit.train.step.attention import TwoPart, attending
from kit.train.step.batch import Batch, collate, pack
from kit.train.step.loss import batch_hidden, batch_loss
from kit.train.step.optimiser import Optimiser
from tests.kit.train.forests import TINY, contract_rows, tiny_model, token_rows, tree_rows
from tests.kit.train.parts import PAD, copy_rows, section

CPU = torch.device("cpu")
Gradients = dict[str, Tensor]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def tiny() -> Body:
    return split_model(tiny_model())


@pytest.fixture(scope="module")
def nano() -> Body:
    model = attach(load_model(find_base("nano"), "float32", CPU), section(), "nano")
    draw = torch.Generator().manual_seed(3)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            parameter.data.normal_(0, 0.02, generator=draw)
    return split_model(model)


def measured(body: Body, batches: Sequence[Batch]) -> tuple[Gradients, list[float]]:
    """Return the gradients of all trained tensors, and the loss of each row, over some batches."""
    body.model.zero_grad()
    weight = float(sum(batch.weights.sum() for batch in batches))
    losses: list[float] = []
    for batch in batches:
        with attending(body.base, along_paths=batch.attention is not None):
            loss = batch_loss(body, batch, weight)
            loss.total.backward()  # type: ignore[no-untyped-call]
        losses += loss.rows.tolist()
    return {name: value.grad.clone() for name, value in body.model.named_parameters() if value.grad is not None}, losses


def assert_equal(found: tuple[Gradients, list[float]], expected: tuple[Gradients, list[float]]) -> None:
    assert found[1] == pytest.approx(expected[1], rel=1e-5, abs=1e-6)
    assert found[0].keys() == expected[0].keys()
    largest = max(float(gradient.norm()) for gradient in expected[0].values())
    for name, gradient in expected[0].items():
        gap = float((found[0][name] - gradient).norm())
        # in rows of two or three tokens, the terms of a gradient can cancel out, so that only their rounding is left
        assert gap < 1e-5 * float(gradient.norm()) + 3e-7 * largest, f"{name} differs by {gap:.1e}"


def alone(body: Body, rows: Sequence[Row]) -> tuple[Gradients, list[float]]:
    return measured(body, [collate([row], 0, CPU) for row in rows])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.builds(tree_rows, st.integers(0, 10**6), st.integers(1, 5)))
def test_trees_of_any_depth_give_what_their_rows_give(tiny: Body, rows: list[Row]) -> None:
    batch = pack(rows, 0, CPU, saves=1)
    assert float(batch.weights.sum()) == sum((len(row.ids) - row.answer_start) * row.weight for row in rows)
    assert_equal(measured(tiny, [batch]), alone(tiny, rows))


def test_several_labels_at_one_branching_all_count(tiny: Body) -> None:
    begin = tuple(range(10, 20))
    rows = [Row(str(last), "g", (*begin, last, 5), len(begin)) for last in (21, 22, 23)]
    batch = pack(rows, 0, CPU, saves=1)
    assert batch.ids.shape == (1, 16)
    assert batch.states.tolist().count(9) == 3
    assert_equal(measured(tiny, [batch]), alone(tiny, rows))


def test_rows_that_share_nothing_are_packed_in_isolation(tiny: Body) -> None:
    rows = [Row(f"{first}", "g", (first, *range(30, 30 + first), 7, 8), first) for first in range(3, 12)]
    assert_equal(measured(tiny, [pack(rows, 0, CPU)]), alone(tiny, rows))


def test_a_changed_branch_leaves_the_others_bit_equal(tiny: Body) -> None:
    begin = tuple(range(5, 45))
    rows = [Row(str(leaf), "g", (*begin, *range(leaf, leaf + 9)), 42) for leaf in range(10, 50, 10)]
    changed = [*rows[:2], replace(rows[2], ids=(*rows[2].ids[:43], 3, 60, 4, *rows[2].ids[46:])), rows[3]]
    before, after = (measured(tiny, [pack(each, 0, CPU)])[1] for each in (rows, changed))
    assert before[2] != after[2]
    assert [before[at] for at in (0, 1, 3)] == [after[at] for at in (0, 1, 3)]


def test_a_branch_that_is_not_finite_does_not_reach_the_others(tiny: Body) -> None:
    weights = tiny.base.get_input_embeddings().weight
    kept = weights[63].clone()
    rows = [Row(str(last), "g", (*range(5, 45), last, 9, 9), 41) for last in (50, 63, 51)]
    try:
        with torch.no_grad():
            weights[63] = float("nan")
        losses = measured(tiny, [pack(rows, 0, CPU)])[1]
    finally:
        with torch.no_grad():
            weights[63] = kept
    assert [loss == loss for loss in losses] == [True, False, True]


@pytest.mark.parametrize("forest", [True, False])
def test_gradient_checkpointing_gives_the_same_bits(tiny: Body, forest: bool) -> None:
    rows = tree_rows(7, 3)
    batches = [pack(rows, 0, CPU, saves=1)] if forest else [collate(rows, 0, CPU)]
    tiny.model.train()
    kept = measured(tiny, batches)
    tiny.checkpoint_layers(True)
    try:
        again = measured(tiny, batches)
    finally:
        tiny.checkpoint_layers(False)
        tiny.model.eval()
    assert again[1] == kept[1]
    assert all(torch.equal(gradient, kept[0][name]) for name, gradient in again[0].items())
    assert again[0].keys() == kept[0].keys()


def test_a_real_model_gives_the_same_through_the_optimiser_however_a_step_is_split(nano: Body) -> None:
    rows = [*contract_rows(2, 3), *copy_rows(2)]
    window, keys = range(len(rows)), [encoded(row.ids) for row in rows]
    whole, _ = make_packs(window, [len(row.ids) for row in rows], keys, 8192)
    halves = Step(((0, 1, 2, 3), (4, 5, 6, 7)), (1, 1))
    singles = Step(tuple((index,) for index in window), (1,) * len(rows))
    found = [_accumulated(nano, rows, step) for step in (whole, halves, singles, Step(singles.micros))]
    for each in found[:-1]:
        assert_equal(each, found[-1])
    partial = [_accumulated(nano, rows, Step(((6, 2, 0),), packs)) for packs in ((1,), ())]
    assert_equal(*partial)


def _accumulated(body: Body, rows: list[Row], step: Step) -> tuple[Gradients, list[float]]:
    """Return the gradients of a step, and the losses of its rows in order."""
    optimiser = Optimiser(body, StepPlan(tuple(rows), (step,), section()), PAD, CPU)
    optimiser.adam.zero_grad()
    _, losses = optimiser.accumulate(step)
    found = {name: value.grad.clone() for name, value in body.model.named_parameters() if value.grad is not None}
    return found, [loss for _, loss in sorted(zip(step.rows, losses.tolist(), strict=True))]


def test_validation_loss_is_that_of_padded_rows(nano: Body) -> None:
    found = []
    for copies in (2, 3, 4):
        rows = [*contract_rows(2, 4), *copy_rows(copies)]
        plans = [make_plan(rows, section(), sharing=sharing) for sharing in (Sharing(), Sharing("no"))]
        found.append([Optimiser(nano, plan, PAD, CPU).validation_loss(rows) for plan in plans])
    packed, padded = zip(*found, strict=True)
    assert packed == pytest.approx(padded, rel=1e-6)
    assert packed != padded  # the two are computed in another order, which shows in some of their last digits


@pytest.mark.parametrize("kind", sorted(ARCHITECTURES))
def test_every_architecture_that_may_share_gives_what_its_rows_give(kind: str) -> None:
    head = {} if kind == "phi3" else {"head_dim": 8}
    body = split_model(tiny_model(CONFIG_MAPPING[kind](**TINY, **head)))
    rows = tree_rows(4, 3)
    assert_equal(measured(body, [pack(rows, 0, CPU, saves=1)]), alone(body, rows))


def test_forest_attention_without_a_forest_fails(tiny: Body) -> None:
    with attending(tiny.base, along_paths=True), pytest.raises(RuntimeError, match="needs its node table"):
        tiny.hidden(torch.tensor([[5, 6, 7]]))
    batch = pack(tree_rows(1, 2), 0, CPU, saves=1)
    with pytest.raises(RuntimeError):  # nor does the model's own attention take a forest for a row
        batch_hidden(tiny, batch)


def _inputs(seed: int, depth: int, dtype: torch.dtype) -> tuple[list[tuple[int, int, int]], Tensor, list[Tensor]]:
    """Return spans of a random forest, its mask, and queries, keys, values and a gradient."""
    forest = build_forest([encoded(row) for row in token_rows(seed, depth)], 1)
    spans = [(node.start, node.stop, node.end) for node in forest.nodes]
    sees = torch.zeros(forest.tokens, forest.tokens, dtype=torch.bool)
    for row in range(len(forest.leaves)):
        path = torch.tensor(forest.indices(row))
        sees[path[:, None], path[None]] |= torch.ones(len(path), len(path)).tril().bool()
    draw = torch.Generator().manual_seed(seed)
    tensors = [
        torch.randn(1, forest.tokens, heads, 16, generator=draw).to(dtype).transpose(1, 2) for heads in (4, 2, 2, 4)
    ]
    return spans, sees, tensors


def _reference(sees: Tensor, tensors: list[Tensor]) -> list[Tensor]:
    """Return output and gradients of attention with a mask, in float64."""
    *inputs, gradient = (tensor.double() for tensor in tensors)
    query, key, value = inputs = [tensor.requires_grad_() for tensor in inputs]
    out = torch.nn.functional.scaled_dot_product_attention(
        query, key, value, attn_mask=sees, scale=0.3, enable_gqa=True
    )
    return [out.detach(), *torch.autograd.grad(out, inputs, gradient)]


def _errors(spans: list[tuple[int, int, int]], sees: Tensor, tensors: list[Tensor]) -> list[float]:
    query, key, value = inputs = [tensor.clone().requires_grad_() for tensor in tensors[:3]]
    out = TwoPart(spans).attend(query, key, value, 0.3)
    found = [out.detach(), *torch.autograd.grad(out, inputs, tensors[3])]
    pairs = zip(found, _reference(sees, tensors), strict=True)
    return [float((one - other).norm() / other.norm()) for one, other in pairs]


@pytest.mark.parametrize("depth", [1, 2, 3, 5])
def test_attention_and_all_its_gradients_are_those_of_a_mask(depth: int) -> None:
    assert max(_errors(*_inputs(depth, depth, torch.float32))) < 1e-6


def test_in_bfloat16_its_error_is_no_larger_than_that_of_rows() -> None:
    merged = _errors(*_inputs(5, 4, torch.bfloat16))
    _, _, tensors = _inputs(5, 4, torch.bfloat16)
    tokens = tensors[0].shape[2]
    rows = _errors([(0, tokens, tokens)], torch.ones(tokens, tokens).tril().bool(), tensors)
    assert all(one < 1.5 * other for one, other in zip(merged, rows, strict=True))
