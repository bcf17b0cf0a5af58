"""Muon (Jordan et al. 2024): orthogonalised momentum for the matrices inside a network.

The size of an update is 0.2 √max(rows, columns) as in Liu et al. 2025 ("Muon is scalable"). It matches AdamW's updates,
so both can share one learning rate and one weight decay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

_A, _B, _C = 3.4445, -4.7750, 2.0315


class Muon(torch.optim.Optimizer):
    """Nesterov momentum with approximately orthogonal updates; for matrices only."""

    def __init__(
        self, parameters: Iterable[Tensor], lr: float, weight_decay: float = 0.1, momentum: float = 0.95, steps: int = 5
    ) -> None:
        defaults = {"lr": lr, "weight_decay": weight_decay, "momentum": momentum, "steps": steps}
        super().__init__(parameters, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]  # noqa: ARG002 (part of torch's interface)
        """Make one step; matrices of one shape are orthogonalised together."""
        for group in self.param_groups:
            alike: dict[torch.Size, list[Tensor]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    alike.setdefault(parameter.shape, []).append(parameter)
            for parameters in alike.values():
                self._step_alike(parameters, group)

    def _step_alike(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        directions = torch.stack([self._momentum(parameter, group["momentum"]) for parameter in parameters])
        updates = orthogonal(directions, group["steps"])
        size = 0.2 * max(updates.shape[-2:]) ** 0.5
        for parameter, update in zip(parameters, updates, strict=True):
            parameter.mul_(1 - group["lr"] * group["weight_decay"])
            parameter.add_(update.to(parameter.dtype), alpha=-group["lr"] * size)

    def _momentum(self, parameter: Tensor, share: float) -> Tensor:
        assert parameter.grad is not None
        state = self.state[parameter]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        average: Tensor = state["momentum"]
        average.lerp_(parameter.grad, 1 - share)
        direction: Tensor = parameter.grad.lerp(average, share)
        return direction


def orthogonal(matrices: Tensor, steps: int = 5) -> Tensor:
    """Return (B, M, N) matrices with their singular values near 1 (0.7 to 1.2), by Newton-Schulz iteration."""
    x: Tensor = matrices.bfloat16() if matrices.is_cuda else matrices
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    wide = x.shape[-2] <= x.shape[-1]
    x = x if wide else x.mT
    for _ in range(steps):
        gram = x @ x.mT
        x = _A * x + (_B * gram + _C * gram @ gram) @ x
    return x if wide else x.mT
