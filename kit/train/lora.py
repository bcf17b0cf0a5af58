"""A plain LoRA layer in fewer passes over memory than peft's own, with the same parameters, names and result."""

from __future__ import annotations

from typing import Any

import torch
from peft.tuners.lora.layer import Linear
from torch import Tensor


class FusedLinear(Linear):  # type: ignore[misc]
    """peft's LoRA layer for `nn.Linear`, computed in the dtype of its input: y = W x + b + (s B)(A x).

    peft casts the input up to the adapter's float32 and makes the scaled sum in three passes; here the small factors
    are cast down, and one `addmm` does the rest. For one active adapter of the plain kind; others take peft's own way.
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
        flat = x.reshape(-1, x.shape[-1])
        y = torch.addmm(self.base_layer(flat), self.lora_dropout[name](flat) @ down.t(), up.t())
        return y.view(*x.shape[:-1], y.shape[-1])

    def _plain(self) -> bool:
        active = self.active_adapters
        switched_on = not self.disable_adapters and not self.merged
        return switched_on and len(active) == 1 and active[0] in self.lora_A and active[0] not in self.lora_variant
