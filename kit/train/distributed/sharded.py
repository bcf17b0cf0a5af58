"""One model over several processes: each holds a part of every weight, torch's `fully_shard` underneath.

A layer is put together for as long as it computes, and parted again. The gradients of a micro-batch are summed over the
processes, never averaged, since each is divided by the weight of the whole step. What stands outside the layers
(embeddings, head, last norm, adapters beside the model) is whole from the loss back to the end of the backward pass, so
that prefix trees and the loss at labels alone need not know of it.
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
    """The module whose call puts together what stands outside the layers: it does something with the model."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, act: Callable[[], Any]) -> Any:
        """Do it."""
        return act()


def shard(body: Body, device: torch.device) -> Body:
    """Part every weight over the processes, on the device; whoever wants the parameters has to ask for them anew.

    Raises InputError where the model's layers cannot be told.
    """
    mesh = init_device_mesh(device.type, (distributed.get_world_size(),))
    layers, root = layers_of(body.base), _Root(body.model)
    for module in (*layers, root):
        fully_shard(module, mesh=mesh)
    _prefetch_nothing_before(layers[0])
    for part in _parts(root):
        part.set_gradient_divide_factor(1.0)
        part.set_force_sum_reduction_for_comms(True)  # gloo knows no other sum
    return replace(body, through=root)


def _prefetch_nothing_before(layer: Any) -> None:
    """By itself torch fetches what ran before a layer, which before the first may be what one process ran alone."""
    layer.set_modules_to_backward_prefetch([layer])


def _parts(root: nn.Module) -> list[FSDPModule]:
    return [module for module in root.modules() if isinstance(module, FSDPModule)]


@contextmanager
def gathered_weights(body: Body) -> Iterator[None]:
    """Hold all weights in every process while the block runs; in it, a process may run the model alone."""
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
    """Return all of a tensor, whose parts every process has to give."""
    full: Tensor = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    return full


def local_bytes(tensor: Tensor) -> int:
    """Bytes of a tensor that this process holds."""
    own = tensor.to_local() if isinstance(tensor, DTensor) else tensor
    return int(own.numel() * own.element_size())


def whole_state(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """The optimiser's state, its tensors whole and, where they were parted, on the CPU."""
    state = optimizer.state_dict()
    return {**state, "state": {index: _mapped(each, _gathered) for index, each in state["state"].items()}}


def put_state_back(optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    """Load a state of whole tensors, each process its part."""
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
