"""Attention for one new token per row, several times as fast as transformers' own on a CPU.

If query heads share a key head, transformers copies the keys once per query head and then attends with one query.
With a single query position, the heads that share keys are as many queries of one head: nothing needs to be copied.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

_NAME = "kit_folded"


def _folded(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """Attend; query is [rows, heads, positions, size], key and value [rows, key heads, length, size]."""
    rows, heads, positions, size = query.shape
    groups = heads // key.shape[1]
    if positions > 1 or groups == 1 or others.get("position_bias") is not None:
        stock: tuple[torch.Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **others
        )
        return stock
    queries = query.reshape(rows, key.shape[1], groups, size)
    found = torch.nn.functional.scaled_dot_product_attention(
        queries, key, value, attn_mask=attention_mask, scale=scaling
    )
    return found.reshape(rows, 1, heads, value.shape[-1]), None


AttentionInterface.register(_NAME, _folded)
AttentionMaskInterface.register(_NAME, sdpa_mask)


@contextmanager
def folded_attention(model: Any) -> Iterator[None]:
    """Use this attention in a model that uses torch's, while the block runs."""
    if model.config._attn_implementation != "sdpa":
        yield
        return
    model.set_attn_implementation(_NAME)
    try:
        yield
    finally:
        model.set_attn_implementation("sdpa")
