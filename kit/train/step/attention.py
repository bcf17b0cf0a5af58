"""Attention over a forest of rows on a CPU, merged from calls of the flash kernel.

Each node attends to itself causally. All descendants of a node are contiguous and attend to it in one call without a
mask. The parts are merged by their log-sum-exps, which is exact: softmax over a union of keys is the mean of the parts'
softmaxes, weighted by the exponentials of their log-sum-exps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers import AttentionInterface

NAME = "kit_forest"
_flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_flash_backward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward


class Attention(Protocol):
    """Attention among the tokens of one pack."""

    name: str

    def attend(self, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """Return (1, heads, T, size) for queries of that shape; keys and values may have fewer heads."""
        ...


class TwoPart:
    """Attention by calls of the flash kernel; `spans`: start, stop and end of the subtree of each node."""

    name = "two-part flash attention"

    def __init__(self, spans: Sequence[tuple[int, int, int]]) -> None:
        self.spans = spans

    def attend(self, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """Return the attention of each token along its path: (1, heads, T, size)."""
        out: Tensor = _TwoPart.apply(query, key, value, self.spans, scale)  # type: ignore[no-untyped-call]
        return out


class _TwoPart(torch.autograd.Function):
    """Forward and backward pass of the merged attention.

    Autograd through the merge would be wrong, because the kernel's backward ignores the gradient of its log-sum-exp.
    With the merged output and log-sum-exp as inputs, the backward of each part gives its exact share: the probabilities
    that it recomputes are those of the whole softmax (Dao et al. 2022, algorithm 4).
    """

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, spans: Sequence[tuple[int, int, int]], scale: float
    ) -> Tensor:
        merged = torch.empty_like(query, dtype=torch.float32)
        sums = torch.empty(query.shape[:3], dtype=torch.float32)
        for start, stop, _ in spans:
            own = slice(start, stop)
            merged[:, :, own], sums[:, :, own] = _part(query, key, value, own, own, scale)
        for seen, below in _ancestors(spans):
            _merge(merged, sums, below, _part(query, key, value, below, seen, scale))
        out = merged.to(query.dtype)
        ctx.save_for_backward(query, key, value, out, sums)
        ctx.spans, ctx.scale = spans, scale
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        saved, scale = (
            ctx.saved_tensors,
            ctx.scale,
        )  # read only once: with gradient checkpointing, reading recomputes the layer
        found = tuple(torch.empty_like(each) for each in saved[:3])
        for start, stop, _ in ctx.spans:
            own = slice(start, stop)
            for total, share in zip(found, _shares(saved, gradients[0], own, own, scale), strict=True):
                total[:, :, own] = share
        for seen, below in _ancestors(ctx.spans):
            shares = _shares(saved, gradients[0], below, seen, scale)
            for total, share, where in zip(found, shares, (below, seen, seen), strict=True):
                total[:, :, where] += share
        return *found, None, None


def _ancestors(spans: Sequence[tuple[int, int, int]]) -> Iterator[tuple[slice, slice]]:
    """Yield each node that has descendants, and the span of all of them."""
    return ((slice(start, stop), slice(stop, end)) for start, stop, end in spans if end > stop)


def _part(q: Tensor, k: Tensor, v: Tensor, rows: slice, seen: slice, scale: float) -> tuple[Tensor, Tensor]:
    """Return the output of some queries over some keys, causal if both are the same span, and its log-sum-exps."""
    out, sums = _flash(q[:, :, rows], k[:, :, seen], v[:, :, seen], 0.0, rows == seen, scale=scale)
    return out, sums


def _merge(merged: Tensor, sums: Tensor, rows: slice, part: tuple[Tensor, Tensor]) -> None:
    """Merge a part into the result; its weight is its share of the sum of exponentials."""
    there, more = sums[:, :, rows], part[1]
    merged[:, :, rows].lerp_(part[0].float(), torch.sigmoid(more - there)[..., None])
    torch.logaddexp(there, more, out=there)


def _shares(
    saved: Sequence[Tensor], gradient: Tensor, rows: slice, seen: slice, scale: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return one part's share of the gradients of queries, keys and values."""
    query, key, value, out, sums = saved
    inputs = (gradient[:, :, rows], query[:, :, rows], key[:, :, seen], value[:, :, seen])
    shares: tuple[Tensor, Tensor, Tensor] = _flash_backward(
        *inputs, out[:, :, rows], sums[:, :, rows], 0.0, rows == seen, scale=scale
    )
    return shares


# --- registered in transformers --------------------------------------------------------------------------------


def _forest_attention(
    module: torch.nn.Module, query: Tensor, key: Tensor, value: Tensor, _: Tensor | None, **others: Any
) -> tuple[Tensor, None]:
    """The attention that a model calls under our name; it fails without a forest."""
    attention: Attention | None = others.get("forest")
    if attention is None or query.shape[0] != 1 or query.shape[2] != key.shape[2]:
        raise RuntimeError("A forest of rows needs its node table, one batch entry, and no cache.")
    if others.get("dropout") or others.get("softcap") or any(others.get(name) is not None for name in _UNKNOWN):
        raise RuntimeError(
            f"{type(module).__name__} uses a feature of attention that a forest of rows does not support."
        )
    out = attention.attend(query, key, value, others["scaling"])
    return out.transpose(1, 2).contiguous(), None


_UNKNOWN = ("s_aux", "position_bias")
AttentionInterface.register(NAME, _forest_attention)


@contextmanager
def attending(model: Any, along_paths: bool) -> Iterator[None]:
    """Let a model attend along the paths of a forest, or with its own attention.

    Run the backward pass inside the block too: with gradient checkpointing, it runs layers again.
    """
    before = model.config._attn_implementation
    if along_paths:
        model.config._attn_implementation = NAME
    try:
        yield
    finally:
        model.config._attn_implementation = before


def forest_inputs(attention: Attention, depths: Tensor) -> dict[str, Any]:
    """Return the model's other inputs for a forest: (1, T) depths as positions, the attention, and an empty mask.

    transformers does not change a mask of four dimensions. Without a mask, it would treat every jump in the positions
    as the start of another row. The mask has no columns, so any other attention fails instead of ignoring the forest.
    """
    none = torch.empty(1, 1, 1, 0, dtype=torch.bool, device=depths.device)
    return {"position_ids": depths, "attention_mask": none, "forest": attention}
