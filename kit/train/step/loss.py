"""Cross-entropy where there is a label, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor
from torch.nn import functional

from kit.errors import InputError
from kit.train.step.attention import forest_inputs
from kit.train.step.batch import Batch

CHUNK = 1024
"""Supervised tokens whose logits exist at one time."""

Head = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Body:
    """A causal language model in two parts: all layers, and the head that turns hidden states into logits."""

    model: PeftModel
    head: Head
    through: Callable[[Callable[[], Any]], Any] = lambda act: act()
    """What the loss is computed through: a sharded model puts its weights together there."""

    @property
    def head_weights(self) -> tuple[Tensor, ...]:
        """Weights of the head that are trained, as they are now; none where it is frozen."""
        return tuple(weight for weight in self.base.get_output_embeddings().parameters() if weight.requires_grad)

    @property
    def base(self) -> Any:
        """The causal language model with its adapters, as transformers knows it."""
        return self.model.get_base_model()

    def checkpoint_layers(self, on: bool) -> None:
        """Keep of each layer its input alone, and compute it again in the backward pass (Chen et al. 2016); or do not.

        The numbers stay the same. Raises InputError where the base cannot.
        """
        if not on:
            self.base.gradient_checkpointing_disable()
        elif self.base.supports_gradient_checkpointing:
            self.base.gradient_checkpointing_enable({"use_reentrant": False})
        else:
            what = f"{type(self.base).__name__} cannot compute its layers again in the backward pass."
            raise InputError(what, "train.gradient_checkpointing", "Set it to off.")

    def hidden(self, ids: Tensor, **others: Any) -> Tensor:
        """Return the last hidden states: (R, L) ids to (R, L, H)."""
        states: Tensor = self.base.base_model(input_ids=ids, use_cache=False, **others).last_hidden_state
        return states

    def batch_hidden(self, batch: Batch) -> Tensor:
        """Return the hidden states that predict a batch's supervised tokens: (N, H)."""
        forest = forest_inputs(batch.attention, batch.depths) if batch.attention and batch.depths is not None else {}
        return self.hidden(batch.ids, **forest).flatten(0, 1)[batch.states]


def split_model(model: PeftModel) -> Body:
    """Return the model as body and head.

    Raises InputError where the two together are not the model: its logits are compared on a few tokens.
    """
    base = model.get_base_model()
    body = Body(model, _head(base))
    ids = torch.arange(1, 9, device=base.device)[None]
    with torch.no_grad():
        whole, parts = base(input_ids=ids, use_cache=False).logits.float(), body.head(body.hidden(ids)).float()
    if not torch.allclose(whole, parts, rtol=1e-3, atol=1e-3 * float(whole.abs().max())):
        kind = type(base).__name__
        raise InputError(f"{kind} does more to its logits than training knows of.", next="Choose another base.")
    return body


def layers_of(base: Any) -> list[torch.nn.Module]:
    """Return the layers of a model, first to last. Raises InputError where they cannot be told from its other parts."""
    count = base.config.num_hidden_layers
    for module in base.base_model.modules():
        if isinstance(module, torch.nn.ModuleList) and len(module) == count:
            return list(module)
    what = f"The {count} layers of {type(base).__name__} cannot be told from its other parts."
    raise InputError(what, "train", "They are neither compiled nor sharded: take compile: off, and parallel: data.")


def _head(base: Any) -> Head:
    """The output embeddings, with the two adjustments that known architectures make after them."""
    project = base.get_output_embeddings()
    scale = float(getattr(base.config, "logits_scaling", None) or 1.0)
    cap = float(getattr(base.config, "final_logit_softcapping", None) or 0.0)

    def head(hidden: Tensor) -> Tensor:
        logits: Tensor = project(hidden)
        logits = logits if scale == 1.0 else logits / scale
        return cap * torch.tanh(logits / cap) if cap else logits

    return head


@dataclass(frozen=True)
class BatchLoss:
    """`total`: the batch's share of the loss, ready for backward; `rows`: (R,) sums of nats over supervised tokens."""

    total: Tensor
    rows: Tensor


def batch_loss(body: Body, batch: Batch, divisor: float) -> BatchLoss:
    """Return Σ weight · -log p(token) / divisor over the supervised tokens of one micro-batch.

    With the supervised tokens of a whole optimiser step (each times its weight) as `divisor`, the shares of its
    micro-batches add up to the token-weighted mean, however the step is split.
    """
    total, nats = body.through(lambda: _label_loss(body, batch, divisor))
    rows = torch.zeros(len(batch.counts), device=nats.device).index_add_(0, batch.rows, nats)
    return BatchLoss(total, rows)


def _label_loss(body: Body, batch: Batch, divisor: float) -> tuple[Tensor, Tensor]:
    shares = batch.weights / divisor
    made: tuple[Tensor, Tensor] = _LabelLoss.apply(
        body.batch_hidden(batch), batch.targets, shares, body.head, *body.head_weights
    )  # type: ignore[no-untyped-call]
    return made


class _LabelLoss(torch.autograd.Function):
    """Loss and its gradient by the hidden states, chunk by chunk in the forward pass: the head runs once.

    `trained` are the head's weights where they are trained; their gradient is summed over the chunks.
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
