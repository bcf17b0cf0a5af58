"""Make tensors of rows. No random numbers, so that a resumed run is exact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from kit.data.rows import Row
from kit.train.plan.trees import SPLIT_SAVES, Forest, build_forest, encoded
from kit.train.step.attention import Attention, TwoPart
from kit.train.step.flex import BlockSparse, padded_length


@dataclass(frozen=True)
class Batch:
    """A micro-batch of R rows with N supervised tokens: padded on the right to L tokens, or packed as a forest.

    Causal attention never looks to the right, so padding needs no mask. A forest is one sequence of T tokens; `depths`
    counts the tokens before each one on its path, and `attention` computes attention along these paths. The four
    fields of length N describe each supervised token: its row, the hidden state that predicts it (an index into the
    flattened batch), its id, and the weight of its row. Where the rows of a forest branch, one state predicts several
    tokens.
    """

    ids: Tensor  # (R, L) or (1, T) int64
    rows: Tensor  # (N,) int64
    states: Tensor  # (N,) int64
    targets: Tensor  # (N,) int64
    weights: Tensor  # (N,) float32
    counts: Tensor  # (R,) int64, supervised tokens of each row
    depths: Tensor | None = None  # (1, T) int64
    attention: Attention | None = None


def collate(rows: Sequence[Row], pad_id: int, device: torch.device) -> Batch:
    """Return the rows as one padded micro-batch on the device."""
    longest = max(len(row.ids) for row in rows)
    ids = [[*row.ids, *[pad_id] * (longest - len(row.ids))] for row in rows]
    states = [
        number * longest + position
        for number, row in enumerate(rows)
        for position in range(row.answer_start - 1, len(row.ids) - 1)
    ]
    return _on(device, Batch(torch.tensor(ids), *_labels(rows, states)))


def pack(rows: Sequence[Row], pad_id: int, device: torch.device, saves: int = SPLIT_SAVES) -> Batch:
    """Return the rows as one forest on the device, which holds each shared prefix once.

    Each branching saves at least `saves` tokens.
    """
    forest = build_forest([encoded(row.ids) for row in rows], saves)
    ids, depths = _tokens(forest, rows)
    states = [state for number, row in enumerate(rows) for state in forest.indices(number)[row.answer_start - 1 : -1]]
    if device.type == "cuda":
        missing = padded_length(forest.tokens) - forest.tokens
        ids, depths = [*ids, *[pad_id] * missing], [*depths, *[0] * missing]
    batch = Batch(torch.tensor([ids]), *_labels(rows, states), torch.tensor([depths]), _attention(forest, device))
    return _on(device, batch)


def kernel_name(device: torch.device, rows_alone: str) -> str:
    """Return the name of the attention kernel, or the reason why rows are not packed."""
    if rows_alone:
        return f"padded rows, no shared prefixes: {rows_alone}"
    return BlockSparse.name if device.type == "cuda" else TwoPart.name


def _attention(forest: Forest, device: torch.device) -> Attention:
    spans = [(node.start, node.stop, node.end) for node in forest.nodes]
    return BlockSparse(spans, device) if device.type == "cuda" else TwoPart(spans)


def _tokens(forest: Forest, rows: Sequence[Row]) -> tuple[list[int], list[int]]:
    """Return the token ids of the forest and their depths."""
    ids: list[int] = []
    depths: list[int] = []
    for node in forest.nodes:
        ids += rows[node.source].ids[node.depth : node.depth + node.length]
        depths += range(node.depth, node.depth + node.length)
    return ids, depths


def _labels(rows: Sequence[Row], states: list[int]) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Return the fields of a batch that describe its supervised tokens, row by row; `states` predict them."""
    counts = torch.tensor([len(row.ids) - row.answer_start for row in rows])
    numbers = torch.repeat_interleave(torch.arange(len(rows)), counts)
    targets = torch.tensor([id for row in rows for id in row.ids[row.answer_start :]])
    weights = torch.tensor([row.weight for row in rows]).repeat_interleave(counts)
    return numbers, torch.tensor(states), targets, weights, counts


def _on(device: torch.device, batch: Batch) -> Batch:
    """Copy a batch to the device, without waiting for a GPU."""
    if device.type != "cuda":
        return batch
    tensors = {name: value for name, value in vars(batch).items() if isinstance(value, Tensor)}
    moved: dict[str, Any] = {name: value.pin_memory().to(device, non_blocking=True) for name, value in tensors.items()}
    return replace(batch, **moved)
