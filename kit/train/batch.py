"""From rows to tensors. No random numbers here, so that resuming is exact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from kit.data.rows import Row


@dataclass(frozen=True)
class Batch:
    """A micro-batch of R rows, padded on the right to L tokens, with N supervised tokens.

    Causal attention never looks to the right, so padding needs no mask. For every supervised token: its row, the
    position of the hidden state that predicts it, its id, and its row's weight.
    """

    ids: Tensor  # (R, L) int64
    rows: Tensor  # (N,) int64
    positions: Tensor  # (N,) int64
    targets: Tensor  # (N,) int64
    weights: Tensor  # (N,) float32
    counts: Tensor  # (R,) int64, supervised tokens of each row


def collate(rows: Sequence[Row], pad_id: int, device: torch.device) -> Batch:
    """Return the rows as one micro-batch on the device."""
    longest = max(len(row.ids) for row in rows)
    ids = torch.tensor([[*row.ids, *[pad_id] * (longest - len(row.ids))] for row in rows])
    counts = torch.tensor([len(row.ids) - row.answer_start for row in rows])
    index = torch.repeat_interleave(torch.arange(len(rows)), counts)
    positions = torch.cat([torch.arange(row.answer_start - 1, len(row.ids) - 1) for row in rows])
    weights = torch.tensor([row.weight for row in rows]).repeat_interleave(counts)
    parts = (ids, index, positions, ids[index, positions + 1], weights, counts)
    if device.type == "cuda":
        parts = tuple(part.pin_memory().to(device, non_blocking=True) for part in parts)  # type: ignore[assignment]
    return Batch(*parts)
