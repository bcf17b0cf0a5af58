"""A plain LoRA layer with fewer passes over memory than peft's own, and the same parameters, names and result."""

from __future__ import annotations

from typing import Any

import torch
from peft.tuners.lora.layer import Linear
from torch import Tensor
from torch.autograd.function import FunctionCtx
from torch.nn import functional


class FusedLinear(Linear):  # type: ignore[misc]
    """peft's LoRA layer for `nn.Linear`, computed in the dtype of its input: y = x Wᵀ + b + (x Aᵀ)(s B)ᵀ.

    For one active adapter without dropout, DoRA or the like; anything else takes peft's own way.
    """

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Return the adapted layer's output: (…, inputs) to (…, outputs)."""
        y: Tensor
        if not self._plain() or args or kwargs:
            y = super().forward(x, *args, **kwargs)
            return y
        (name,) = self.active_adapters
        down, up = self.lora_A[name].weight, self.lora_B[name].weight
        flat = x.reshape(-1, x.shape[-1])
        base = self.base_layer
        y = _Adapted.apply(flat, base.weight, base.bias, down, up, self.scaling[name])  # type: ignore[no-untyped-call]
        return y.view(*x.shape[:-1], y.shape[-1])

    def _plain(self) -> bool:
        active = self.active_adapters
        return (
            not self.disable_adapters
            and not self.merged
            and len(active) == 1
            and active[0] in self.lora_A
            and active[0] not in self.lora_variant
            and isinstance(self.lora_dropout[active[0]], torch.nn.Identity)
        )


class _Adapted(torch.autograd.Function):
    """The layer on (tokens, inputs), with both sums made in place, forward and backward."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, down: Tensor, up: Tensor, scale: float
    ) -> Tensor:
        down, up = down.to(x.dtype), (up * scale).to(x.dtype)
        low = x @ down.t()
        ctx.save_for_backward(x, low, weight, down, up)
        ctx.scale = scale
        return functional.linear(x, weight, bias).addmm_(low, up.t())

    @staticmethod
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, low, weight, down, up = ctx.saved_tensors  # type: ignore[attr-defined]
        gradient = gradients[0]
        low_gradient = gradient @ up
        up_gradient = (gradient.t() @ low).float() * ctx.scale  # type: ignore[attr-defined]
        down_gradient = (low_gradient.t() @ x).float()
        x_gradient = None
        if ctx.needs_input_grad[0]:  # type: ignore[attr-defined]
            x_gradient = (gradient @ weight).addmm_(low_gradient, down)
        return x_gradient, None, None, down_gradient, up_gradient, None
