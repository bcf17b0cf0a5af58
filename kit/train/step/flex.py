"""Attention over a forest of rows on a GPU: one kernel that skips blocks of keys that no query attends to.

A token attends only to keys on its path. Subtrees are contiguous, so these are the keys before it whose node's subtree
ends after it. The lists of blocks are computed from one number per key, never from a grid of tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.attention.flex_attention import BlockMask, flex_attention

BLOCK = 128
SMALLEST_HEAD = 16
"""Smallest head size of the kernel on a GPU; smaller heads are padded with zeros, which changes nothing."""


def padded_length(tokens: int) -> int:
    """Return the padded length of a pack, a multiple of the block.

    There are at most four lengths per doubling, because the kernel is compiled for each length.
    """
    step = max(BLOCK, 1 << max(0, (tokens - 1).bit_length() - 3))
    return -(-tokens // step) * step


def block_mask(spans: Sequence[tuple[int, int, int]], device: torch.device | str) -> BlockMask:
    """Return the mask for nodes given by start, stop, and the end of their subtrees; padding attends to itself."""
    last = _last_seen(spans).to(device)
    ends = last.view(-1, BLOCK)
    blocks = torch.arange(len(ends), device=device)
    queries, keys = blocks[:, None], blocks[None, :]
    some = (queries >= keys) & ((ends.amax(1)[None, :] > queries * BLOCK) | (queries == keys))
    full = (queries > keys) & (ends.amin(1)[None, :] >= (queries + 1) * BLOCK)
    lists = (*_listed(some & ~full), *_listed(full))

    def sees(_batch: Tensor, _head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return (query >= key) & (query < last[key])

    return BlockMask.from_kv_blocks(*lists, BLOCK_SIZE=BLOCK, mask_mod=sees)


class BlockSparse:
    """FlexAttention with lists of blocks made from the node table."""

    name = "FlexAttention over block lists"

    def __init__(self, spans: Sequence[tuple[int, int, int]], device: torch.device) -> None:
        self.mask = block_mask(spans, device)

    def attend(self, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """Return the attention of each token along its path: (1, heads, T, size)."""
        size = query.shape[-1]
        whole = [functional.pad(part, (0, max(0, SMALLEST_HEAD - size))) for part in (query, key, value)]
        out: Tensor = _compiled()(*whole, block_mask=self.mask, scale=scale, enable_gqa=True)
        return out[..., :size]


@cache
def _compiled() -> Callable[..., Any]:
    return torch.compile(flex_attention, dynamic=False)


def _last_seen(spans: Sequence[tuple[int, int, int]]) -> Tensor:
    """Return for each key the first query after it that no longer attends to it: (padded length,)."""
    tokens = sum(stop - start for start, stop, _ in spans)
    last = torch.arange(1, padded_length(tokens) + 1)
    for start, stop, end in spans:
        last[start:stop] = end
    return last


def _listed(wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Return the number of wanted blocks per row of the grid, and block indices with the wanted ones first."""
    indices = wanted.int().argsort(dim=-1, descending=True, stable=True)
    return wanted.sum(-1, dtype=torch.int32)[None, None], indices.int()[None, None]
