"""Cross-entropy at labels; logits of other positions are never computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from kit.train.model.split import Body, Head
from kit.train.step.attention import forest_inputs
from kit.train.step.batch import Batch

CHUNK = 1024
"""Number of supervised tokens whose logits are in memory at one time."""


@dataclass(frozen=True)
class BatchLoss:
    """`total`: the batch's share of the loss, to call backward on; `rows`: (R,) sums of nats over supervised tokens."""

    total: Tensor
    rows: Tensor


def batch_loss(body: Body, batch: Batch, divisor: float) -> BatchLoss:
    """Return Σ weight · -log p(token) / divisor over the supervised tokens of one micro-batch.

    If `divisor` is the number of supervised tokens of the whole optimiser step (each times its weight), the sum over
    its micro-batches is the token-weighted mean, however the step is split.
    """
    total, nats = body.through(lambda: _label_loss(body, batch, divisor))
    rows = torch.zeros(len(batch.counts), device=nats.device).index_add_(0, batch.rows, nats)
    return BatchLoss(total, rows)


def batch_hidden(body: Body, batch: Batch) -> Tensor:
    """Return the hidden states that predict a batch's supervised tokens: (N, H)."""
    forest = forest_inputs(batch.attention, batch.depths) if batch.attention and batch.depths is not None else {}
    return body.hidden(batch.ids, **forest).flatten(0, 1)[batch.states]


def _label_loss(body: Body, batch: Batch, divisor: float) -> tuple[Tensor, Tensor]:
    shares = batch.weights / divisor
    made: tuple[Tensor, Tensor] = _LabelLoss.apply(
        batch_hidden(body, batch), batch.targets, shares, body.head, *body.head_weights
    )  # type: ignore[no-untyped-call]
    return made


class _LabelLoss(torch.autograd.Function):
    """The loss, and its gradient with respect to the hidden states, computed in chunks in the forward pass.

    So the head runs only once. `trained` are the weights of the head if they are trained; their gradient is the sum
    over the chunks.
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, targets: Tensor, weights: Tensor, head: Head, *trained: Tensor
    ) -> tuple[Tensor, Tensor]:
        nats = torch.empty(len(targets), device=hidden.device)
        gradient = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        own = [torch.zeros_like(weight) for weight in trained] if gradient is not None else []
        for start in range(0, len(targets), CHUNK):
            part = slice(start, start + CHUNK)
            with torch.set_grad_enabled(gradient is not None):
                piece = hidden[part].detach().requires_grad_(gradient is not None)
                losses = functional.cross_entropy(head(piece).float(), targets[part], reduction="none")
            nats[part] = losses.detach()
            if gradient is not None:
                gradient[part], *found = torch.autograd.grad(losses, (piece, *trained), weights[part])
                for whole, share in zip(own, found, strict=True):
                    whole += share
        ctx.gradient, ctx.own = gradient, own
        ctx.mark_non_differentiable(nats)
        return (nats * weights).sum(), nats

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return (ctx.gradient * gradients[0], None, None, None, *(whole * gradients[0] for whole in ctx.own))
