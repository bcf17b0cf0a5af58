"""Norms, gates and rotated heads of known layers in fewer passes over memory; their outputs are cheap to recompute.

On a CPU, these passes take half as long as all matrix products. `kit.train.model.replacement` uses this code for
the parts of a base for which it computes the same.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from kit.train.model.recompute import recomputable

# --- a norm over the last axis (Zhang and Sennrich 2019) ------------------------------------------------------


def _root(x: Tensor, epsilon: float) -> Tensor:
    """1 / √(mean x² + ε) in float32: (…, size) to (…, 1)."""
    norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32)
    root: Tensor = norm.square_().div_(x.shape[-1]).add_(epsilon).rsqrt_()
    return root


def _scaled(x: Tensor, root: Tensor, weight: Tensor) -> Tensor:
    y = (x * root).to(x.dtype)
    return y.mul_(weight) if y.dtype == weight.dtype else y * weight


def _norm_gradients(
    gradient: Tensor, x: Tensor, root: Tensor, weight: Tensor, of_weight: bool
) -> tuple[Tensor, Tensor | None]:
    """For y = x r(x) w, with g = w ∂y: ∂x = r g − x r³ mean(g x), and ∂w is the sum of ∂y x r over the tokens."""
    own = (gradient * x * root).flatten(0, -2).sum(0).to(weight.dtype) if of_weight else None
    g = (gradient * weight).float()
    shared = (g * x).sum(-1, keepdim=True).mul_(root.pow(3)).div_(-x.shape[-1])
    return g.mul_(root).addcmul_(x, shared).to(x.dtype), own


class _Norm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, root: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight, root)
        return _scaled(x, root, weight)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, root = ctx.saved_tensors
        return *_norm_gradients(gradients[0], x, root, weight, ctx.needs_input_grad[1]), None


def norm(module: Any, x: Tensor) -> Tensor:
    """Compute a norm: (…, size) to (…, size)."""
    weight, there = module.weight, x.detach()
    root = _root(there, module.variance_epsilon)
    y: Tensor = _Norm.apply(x, weight, root)  # type: ignore[no-untyped-call]
    return recomputable(y, partial(_scaled, there, root, weight.detach()))


# --- a gate: silu(g) u (Shazeer 2020) -------------------------------------------------------------------------


class _Gate(torch.autograd.Function):
    """The product silu(g) u. `half` holds silu(g) if the product was recomputed just before its backward pass."""

    @staticmethod
    def forward(ctx: Any, gate: Tensor, up: Tensor, half: list[Tensor]) -> Tensor:
        ctx.save_for_backward(gate, up)
        ctx.half = half
        return functional.silu(gate).mul_(up)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        gate, up = ctx.saved_tensors
        of_up = (ctx.half.pop() if ctx.half else functional.silu(gate)).mul_(gradients[0])
        return torch.ops.aten.silu_backward(gradients[0] * up, gate), of_up, None


def gated(module: Any, x: Tensor) -> Tensor:
    """Compute an MLP with a gate: (rows, T, H) to (rows, T, H)."""
    gate, up = module.gate_proj(x), module.up_proj(x)
    half: list[Tensor] = []
    y: Tensor = _Gate.apply(gate, up, half)  # type: ignore[no-untyped-call]
    out: Tensor = module.down_proj(recomputable(y, partial(_recomputed_product, gate.detach(), up.detach(), half)))
    return out


def _recomputed_product(gate: Tensor, up: Tensor, half: list[Tensor]) -> Tensor:
    half[:] = [functional.silu(gate)]
    return half[0] * up


# --- heads: normed if the model does so, and rotated by their position (Su et al. 2021) ----------------------


def _rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate the two halves of every head: (rows, T, heads, size) with (rows, T, 1, size)."""
    half = x.shape[-1] // 2
    out = x * cos
    out[..., :half].addcmul_(x[..., half:], sin[..., :half], value=-1)
    out[..., half:].addcmul_(x[..., :half], sin[..., half:])
    return out


def _rotated_back(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    out = x * cos
    out[..., :half].addcmul_(x[..., half:], sin[..., half:])
    out[..., half:].addcmul_(x[..., :half], sin[..., :half], value=-1)
    return out


class _Heads(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor | None, epsilon: float, cos: Tensor, sin: Tensor) -> Tensor:
        if weight is None:
            ctx.save_for_backward(cos, sin)
            return _rotated(x, cos, sin)
        root = _root(x, epsilon)
        ctx.save_for_backward(cos, sin, x, weight, root)
        return _rotated(_scaled(x, root, weight), cos, sin)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        cos, sin, *normed = ctx.saved_tensors
        turned = _rotated_back(gradients[0], cos, sin)
        if not normed:
            return turned, None, None, None, None
        x, weight, root = normed
        return *_norm_gradients(turned, x, root, weight, ctx.needs_input_grad[1]), None, None, None


def _heads(module: Any, which: str, hidden: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Queries or keys: (rows, T, H) to (rows, heads, T, size)."""
    norm = getattr(module, f"{which}_norm", None)
    x = getattr(module, f"{which}_proj")(hidden).unflatten(-1, (-1, module.head_dim))
    weight, epsilon = (norm.weight, norm.variance_epsilon) if norm is not None else (None, 0.0)
    turned: Tensor = _Heads.apply(x, weight, epsilon, cos[:, :, None], sin[:, :, None])  # type: ignore[no-untyped-call]
    return turned.transpose(1, 2)


def attended(
    module: Any, hidden_states: Tensor, position_embeddings: tuple[Tensor, Tensor], attention_mask: Tensor | None,
    **others: Any,
) -> tuple[Tensor, Tensor | None]:  # fmt: skip
    """Compute attention: (rows, T, H) to (rows, T, H), and the kernel's second output."""
    query, key = (_heads(module, which, hidden_states, *position_embeddings) for which in ("q", "k"))
    value = module.v_proj(hidden_states).unflatten(-1, (-1, module.head_dim)).transpose(1, 2)
    dropout, window = module.attention_dropout if module.training else 0.0, getattr(module, "sliding_window", None)
    attend = ALL_ATTENTION_FUNCTIONS[module.config._attn_implementation]
    found, seen = attend(
        module, query, key, value, attention_mask, dropout=dropout, scaling=module.scaling, sliding_window=window,
        **others,
    )  # fmt: skip
    return module.o_proj(found.flatten(2)), seen
