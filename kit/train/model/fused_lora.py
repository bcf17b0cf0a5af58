"""A plain LoRA layer in fewer passes over memory than peft's own, with the same parameters, names and result."""

from __future__ import annotations

from typing import Any

import torch
from peft.tuners.lora.layer import Linear
from torch import Tensor
from torch.nn import functional


class FusedLinear(Linear):  # type: ignore[misc]
    """peft's LoRA layer for `nn.Linear`, computed in the dtype of its input: y = W x + b + (s B)(A x).

    peft casts the input up to the adapter's float32 and makes the scaled sum in three passes; here the small factors
    are cast down, and both products add to one sum, forward and backward. For one active adapter of the plain kind;
    others take peft's own way.
    """

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Return the adapted layer's output: (…, inputs) to (…, outputs)."""
        y: Tensor
        if not self._plain() or args or kwargs:
            y = super().forward(x, *args, **kwargs)
            return y
        (name,) = self.active_adapters
        down = self.lora_A[name].weight.to(x.dtype)
        up = (self.lora_B[name].weight * self.scaling[name]).to(x.dtype)
        flat, base, dropout = x.reshape(-1, x.shape[-1]), self.base_layer, self.lora_dropout[name]
        if base.weight.requires_grad or not isinstance(dropout, torch.nn.Identity):
            y = torch.addmm(base(flat), dropout(flat) @ down.t(), up.t())
        else:
            y = _Adapted.apply(flat, down, up, base.weight, base.bias)  # type: ignore[no-untyped-call]
        return y.view(*x.shape[:-1], y.shape[-1])

    def _plain(self) -> bool:
        active = self.active_adapters
        switched_on = not self.disable_adapters and not self.merged
        return switched_on and len(active) == 1 and active[0] in self.lora_A and active[0] not in self.lora_variant


class _Adapted(torch.autograd.Function):
    """x Wᵀ + b + (x Aᵀ) Bᵀ over a frozen W: (T, inputs) to (T, outputs), each sum in place."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, down: Tensor, up: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        low = x @ down.t()
        ctx.save_for_backward(x, low, down, up, weight)
        return functional.linear(x, weight, bias).addmm_(low, up.t())

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, low, down, up, weight = ctx.saved_tensors
        (gradient,) = gradients
        of_low = gradient @ up
        of_x = (gradient @ weight).addmm_(of_low, down) if ctx.needs_input_grad[0] else None
        return of_x, of_low.t() @ x, gradient.t() @ low, None, None
