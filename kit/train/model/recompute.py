"""What a forward pass keeps for the backward pass: in place of what is cheap to make again, what it was made of.

Saved-tensor hooks do it, whatever reads such a tensor: a frozen layer, a LoRA factor, a weight's own gradient.
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
class _Again:
    """How to make a tensor that some products keep: once for all of them, from the first that needs it to the last."""

    make: Callable[[], Tensor]
    keepers: int = 0
    made: Tensor | None = None

    def value(self, shape: torch.Size) -> Tensor:
        made = self.make() if self.made is None else self.made
        self.keepers -= 1
        self.made = made if self.keepers > 0 else None
        return made.view(shape)


_Kept = Tensor | tuple[_Again, torch.Size]


class Cheap:
    """Tensors of a forward pass that are cheap to make again, by where they lie; known for as long as they live."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[ref[Tensor], int, _Again]] = {}

    def note(self, tensor: Tensor, make: Callable[[], Tensor]) -> None:
        """Learn how a tensor is made again."""
        address = tensor.data_ptr()
        self._known[address] = ref(tensor, partial(self._forget, address)), tensor._version, _Again(make)

    def _forget(self, address: int, dead: ref[Tensor]) -> None:
        """What it is made of may go too, unless something keeps it."""
        if address in self._known and self._known[address][0] is dead:
            del self._known[address]

    def pack(self, saved: Tensor) -> _Kept:
        """Return what to keep in place of a tensor: how to make it again, or the tensor itself."""
        if type(saved) is not Tensor or not saved.is_contiguous() or saved.data_ptr() not in self._known:
            return saved
        found, version, again = self._known[saved.data_ptr()]
        tensor = found()
        if tensor is None or tensor._version != version or tensor.numel() != saved.numel():
            return saved
        again.keepers += 1
        return again, saved.shape


def _unpack(kept: _Kept) -> Tensor:
    return kept if isinstance(kept, Tensor) else kept[0].value(kept[1])


_cheap: list[Cheap] = []


@contextmanager
def keeping_less() -> Iterator[Cheap]:
    """Around a forward pass: the backward pass makes again what is cheap to make."""
    cheap = Cheap()
    _cheap.append(cheap)
    try:
        with torch.autograd.graph.saved_tensors_hooks(cheap.pack, _unpack):
            yield cheap
    finally:
        _cheap.pop()


def noted(tensor: Tensor, make: Callable[[], Tensor]) -> Tensor:
    """Return a tensor; while less is kept, `make` is kept in its place."""
    if _cheap:
        _cheap[-1].note(tensor, make)
    return tensor
