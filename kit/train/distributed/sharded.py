"""Sharded weights: each process holds a part of every weight, with torch's `fully_shard`.

The weights of a layer are gathered while it computes, and sharded again afterwards. Gradients are summed over the
processes, not averaged, because each is already divided by the weight of the whole step. Weights outside the layers
(embeddings, head, last norm, adapters of other modules) stay gathered until the end of the backward pass, so that
prefix trees and the loss at labels work unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from kit.train.model.split import Body, layers_of


class _Root(nn.Module):
    """A root module whose call gathers the weights outside the layers, then runs a function of the model."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, act: Callable[[], Any]) -> Any:
        """Run the function."""
        return act()


def shard(body: Body, device: torch.device) -> Body:
    """Shard every weight over the processes, on the device; parameters that were read before are no longer valid.

    Raises InputError if the layers of the model cannot be found.
    """
    mesh = init_device_mesh(device.type, (distributed.get_world_size(),))
    layers, root = layers_of(body.base), _Root(body.model)
    for module in (*layers, root):
        fully_shard(module, mesh=mesh)
    _prefetch_nothing_before(layers[0])
    for part in _parts(root):
        part.set_gradient_divide_factor(1.0)
        part.set_force_sum_reduction_for_comms(True)  # gloo supports no other reduction
    return replace(body, through=root)


def _prefetch_nothing_before(layer: Any) -> None:
    """Turn off prefetching in a layer: torch would gather the module before it, which perhaps one process alone ran."""
    layer.set_modules_to_backward_prefetch([layer])


def _parts(root: nn.Module) -> list[FSDPModule]:
    return [module for module in root.modules() if isinstance(module, FSDPModule)]


@contextmanager
def gathered_weights(body: Body) -> Iterator[None]:
    """Gather all weights in every process, so that inside the block one process may run the model alone."""
    root: Any = body.through
    parts = _parts(root)
    for part in parts:
        part.set_reshard_after_forward(False, recurse=False)
        part.unshard()
    try:
        yield
    finally:
        for part in parts:
            part.set_reshard_after_forward(part is not root, recurse=False)
            part.reshard()


def whole(tensor: Tensor) -> Tensor:
    """Return the whole of a sharded tensor; all processes must call it."""
    full: Tensor = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    return full


def local_bytes(tensor: Tensor) -> int:
    """Return the bytes of a tensor that this process holds."""
    own = tensor.to_local() if isinstance(tensor, DTensor) else tensor
    return int(own.numel() * own.element_size())


def whole_state(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Return the state of the optimiser with whole tensors; sharded ones are gathered on the CPU."""
    state = optimizer.state_dict()
    return {**state, "state": {index: _mapped(each, _gathered) for index, each in state["state"].items()}}


def load_whole_state(optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    """Load a state of whole tensors; each process takes its part."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    own = {index: _mapped(each, partial(_like, parameters[index])) for index, each in state["state"].items()}
    optimizer.load_state_dict({**state, "state": own})


def _mapped(values: Mapping[str, Any], change: Callable[[Any], Any]) -> dict[str, Any]:
    return {name: change(value) if isinstance(value, Tensor) else value for name, value in values.items()}


def _gathered(tensor: Tensor) -> Tensor:
    return whole(tensor).cpu() if isinstance(tensor, DTensor) else tensor


def _like(parameter: Tensor, value: Tensor) -> Tensor:
    if not isinstance(parameter, DTensor) or value.shape != parameter.shape:
        return value
    mesh = parameter.device_mesh
    return distribute_tensor(value.to(parameter.device), mesh, parameter.placements, src_data_rank=None)
