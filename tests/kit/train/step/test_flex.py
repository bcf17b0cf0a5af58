"""Attention over lists of blocks equals the attention on a CPU."""

from __future__ import annotations

import pytest
import torch
from torch.nn.attention.flex_attention import flex_attention

from kit.train.plan.trees import build_forest, encoded
from kit.train.step import flex
from kit.train.step.attention import TwoPart
from kit.train.step.flex import BLOCK, BlockSparse, block_mask, padded_length
from tests.kit.train.forests import contract_rows


def spans(saves: int = 32) -> list[tuple[int, int, int]]:
    """A forest over several blocks: contracts with questions, and one text without questions."""
    rows = [*contract_rows(2, 3, shared=300, own=70), *contract_rows(3, 1, shared=40)]
    forest = build_forest([encoded(row.ids) for row in rows], saves)
    return [(node.start, node.stop, node.end) for node in forest.nodes]


def sees(nodes: list[tuple[int, int, int]]) -> torch.Tensor:
    """Return which token attends to which, as a mask."""
    size = padded_length(nodes[-1][1])
    grid = torch.eye(size, dtype=torch.bool)
    for start, stop, end in nodes:
        for query in range(start, end):
            grid[query, start : min(stop, query + 1)] = True
    return grid


def test_listed_blocks_are_those_with_attention() -> None:
    nodes = spans()
    grid = sees(nodes)
    blocks = grid.view(len(grid) // BLOCK, BLOCK, -1, BLOCK)
    mask = block_mask(nodes, "cpu")
    assert torch.equal(mask.to_dense()[0, 0].bool(), blocks.any(3).any(1))
    full = torch.zeros_like(mask.to_dense()[0, 0], dtype=torch.bool)
    assert mask.full_kv_num_blocks is not None
    assert mask.full_kv_indices is not None
    for query, count in enumerate(mask.full_kv_num_blocks[0, 0].tolist()):
        full[query, mask.full_kv_indices[0, 0, query, :count]] = True
    assert torch.equal(full, blocks.all(3).all(1))
    assert full.any()


def test_its_attention_is_that_of_the_cpu() -> None:
    nodes = spans()
    tokens, size = nodes[-1][1], padded_length(nodes[-1][1])
    draw = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(1, heads, size, 16, generator=draw) for heads in (4, 2, 2))
    found = flex_attention(query, key, value, block_mask=block_mask(nodes, "cpu"), scale=0.25, enable_gqa=True)
    inner = [each[:, :, :tokens] for each in (query, key, value)]
    expected = TwoPart(nodes).attend(inner[0], inner[1], inner[2], 0.25)
    assert isinstance(found, torch.Tensor)
    assert torch.allclose(found[:, :, :tokens], expected, atol=1e-5)


def test_packs_are_padded_to_few_lengths() -> None:
    lengths = {padded_length(tokens) for tokens in range(1, 8193)}
    assert all(length % BLOCK == 0 for length in lengths)
    assert len(lengths) <= 24
    assert max(padded_length(tokens) / tokens for tokens in range(1024, 8193)) < 1.26


def test_heads_too_small_for_the_kernel_give_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flex, "_compiled", lambda: flex_attention)
    nodes = spans()
    tokens, size = nodes[-1][1], padded_length(nodes[-1][1])
    draw = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(1, heads, size, 8, generator=draw) for heads in (4, 2, 2))
    found = BlockSparse(nodes, torch.device("cpu")).attend(query, key, value, 0.5)
    inner = [each[:, :, :tokens] for each in (query, key, value)]
    expected = TwoPart(nodes).attend(inner[0], inner[1], inner[2], 0.5)
    assert found.shape == query.shape
    assert torch.allclose(found[:, :, :tokens], expected, atol=1e-5)


@pytest.mark.cuda
@pytest.mark.parametrize("head", [8, 32])
def test_a_gpu_gives_the_gradients_of_the_cpu(head: int) -> None:
    nodes = spans()
    tokens, size = nodes[-1][1], padded_length(nodes[-1][1])
    draw = torch.Generator().manual_seed(0)
    inputs = [torch.randn(1, heads, size, head, generator=draw) for heads in (4, 2, 2, 4)]
    inputs[3][:, :, tokens:] = 0
    here = [each[:, :, :tokens].clone().requires_grad_() for each in inputs[:3]]
    expected = torch.autograd.grad(
        TwoPart(nodes).attend(here[0], here[1], here[2], 0.25), here, inputs[3][:, :, :tokens]
    )
    there = [each.cuda().requires_grad_() for each in inputs[:3]]
    attention = BlockSparse(nodes, torch.device("cuda"))
    found = torch.autograd.grad(attention.attend(there[0], there[1], there[2], 0.25), there, inputs[3].cuda())
    for one, other in zip(found, expected, strict=True):
        gap = (one[:, :, :tokens].cpu() - other).norm() / other.norm()
        assert float(gap) < 5e-3  # the GPU may multiply in TF32
