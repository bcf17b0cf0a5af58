"""Attention over a forest of rows, on a GPU: one kernel that skips the blocks of keys that no query of a block sees.

A token sees a key of its path and no other: because subtrees are contiguous, that is every key before it whose node's
last descendant ends after it. The lists of blocks come from one number per key, never from a grid of tokens.
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
"""The kernel takes no smaller heads on a GPU; zeros beside them change nothing."""


def padded_length(tokens: int) -> int:
    """Return the length to which a pack is padded: few lengths, since the kernel is compiled for each.

    Up to four per doubling, multiples of the block.
    """
    step = max(BLOCK, 1 << max(0, (tokens - 1).bit_length() - 3))
    return -(-tokens // step) * step


def block_mask(spans: Sequence[tuple[int, int, int]], device: torch.device | str) -> BlockMask:
    """Return who sees whom, for nodes given by start, stop, and their last descendant's end; padding sees itself."""
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
    """Attention by FlexAttention, with lists of blocks made from the node table."""

    name = "FlexAttention over block lists"

    def __init__(self, spans: Sequence[tuple[int, int, int]], device: torch.device) -> None:
        self.mask = block_mask(spans, device)

    def attend(self, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """Return what each token sees along its path: (1, heads, T, size)."""
        size = query.shape[-1]
        whole = [functional.pad(part, (0, max(0, SMALLEST_HEAD - size))) for part in (query, key, value)]
        out: Tensor = _compiled()(*whole, block_mask=self.mask, scale=scale, enable_gqa=True)
        return out[..., :size]


@cache
def _compiled() -> Callable[..., Any]:
    return torch.compile(flex_attention, dynamic=False)


def _last_seen(spans: Sequence[tuple[int, int, int]]) -> Tensor:
    """For each key, the first query after it that does not see it any more: (padded length,)."""
    tokens = sum(stop - start for start, stop, _ in spans)
    last = torch.arange(1, padded_length(tokens) + 1)
    for start, stop, end in spans:
        last[start:stop] = end
    return last


def _listed(wanted: Tensor) -> tuple[Tensor, Tensor]:
    """A grid of blocks as counts, and as indices of which the first `count` are those that are wanted."""
    indices = wanted.int().argsort(dim=-1, descending=True, stable=True)
    return wanted.sum(-1, dtype=torch.int32)[None, None], indices.int()[None, None]
