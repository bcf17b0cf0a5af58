"""Recompute cheap activations in the backward pass instead of storing them.

Saved-tensor hooks do this for every reader of such a tensor: a frozen layer, a LoRA factor, the gradient of a weight.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from weakref import ref

import torch
from torch import Tensor


@dataclass(eq=False)
class _Recomputed:
    """A tensor that several operations saved: computed at its first read, released after its last one."""

    compute: Callable[[], Tensor]
    readers: int = 0
    cached: Tensor | None = None

    def value(self, shape: torch.Size) -> Tensor:
        value = self.compute() if self.cached is None else self.cached
        self.readers -= 1
        self.cached = value if self.readers > 0 else None
        return value.view(shape)


_Saved = Tensor | tuple[_Recomputed, torch.Size]


class CheapTensors:
    """The tensors of a forward pass that are in memory and cheap to recompute, by their address."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[ref[Tensor], int, _Recomputed]] = {}

    def note(self, tensor: Tensor, compute: Callable[[], Tensor]) -> None:
        """Remember how to recompute a tensor."""
        address = tensor.data_ptr()
        self._known[address] = ref(tensor, partial(self._forget, address)), tensor._version, _Recomputed(compute)

    def _forget(self, address: int, dead: ref[Tensor]) -> None:
        """Release what the recomputation needs, unless an operation saved it."""
        if address in self._known and self._known[address][0] is dead:
            del self._known[address]

    def pack(self, saved: Tensor) -> _Saved:
        """Return what autograd saves for a tensor: how to recompute it, or the tensor itself."""
        if type(saved) is not Tensor or not saved.is_contiguous() or saved.data_ptr() not in self._known:
            return saved
        found, version, recomputed = self._known[saved.data_ptr()]
        tensor = found()
        if tensor is None or tensor._version != version or tensor.numel() != saved.numel():
            return saved
        recomputed.readers += 1
        return recomputed, saved.shape


def _unpack(saved: _Saved) -> Tensor:
    return saved if isinstance(saved, Tensor) else saved[0].value(saved[1])


_active: list[CheapTensors] = []


@contextmanager
def recomputing() -> Iterator[CheapTensors]:
    """Wrap a forward pass, so that its backward pass recomputes cheap activations."""
    cheap = CheapTensors()
    _active.append(cheap)
    try:
        with torch.autograd.graph.saved_tensors_hooks(cheap.pack, _unpack):
            yield cheap
    finally:
        _active.pop()


def recomputable(tensor: Tensor, compute: Callable[[], Tensor]) -> Tensor:
    """Return the tensor; inside `recomputing`, autograd saves `compute` instead of it."""
    if _active:
        _active[-1].note(tensor, compute)
    return tensor
