"""Key and value caches of rows that were computed apart, put together so that one step decodes them all."""

from __future__ import annotations

from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer


def can_join(cache: DynamicCache) -> bool:
    """Whether every layer keeps all its positions. A sliding window drops some, so its rows cannot be padded."""
    return all(type(layer) is DynamicLayer for layer in cache.layers)


def join_caches(running: DynamicCache, new: DynamicCache) -> None:
    """Append the rows of `new` to `running`, in place; the shorter of both gets empty positions on the left."""
    for ours, theirs in zip(running.layers, new.layers, strict=True):
        ours.keys = _stacked(ours.keys, theirs.keys)
        ours.values = _stacked(ours.values, theirs.values)


def join_masks(running: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
    """Return both attention masks, [rows, positions], as one; the positions added on the left are masked."""
    width = max(running.shape[1], new.shape[1])
    return torch.cat([torch.nn.functional.pad(mask, (width - mask.shape[1], 0)) for mask in (running, new)])


def _stacked(first: Any, second: Any) -> torch.Tensor:
    """Stack two tensors of [rows, heads, length, size] by rows, padded with zeros on the left to one length."""
    length = max(first.shape[2], second.shape[2])
    return torch.cat([torch.nn.functional.pad(each, (0, 0, length - each.shape[2], 0)) for each in (first, second)])
