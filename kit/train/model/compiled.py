"""Layers that were compiled for training steps, beside their own way to run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from kit.train.plan.packing import Form


class Compiled:
    """Layers with a compiled way to run them, for micro-batches of one form."""

    def __init__(self, layers: list[Any], form: Form) -> None:
        self.form = form
        self._layers = [(layer, torch.compile(layer.forward, dynamic=True)) for layer in layers]

    @contextmanager
    def running(self, form: Form) -> Iterator[None]:
        """Run a micro-batch of a form, its backward pass too."""
        if form != self.form:
            yield
            return
        for layer, compiled in self._layers:
            layer.forward = compiled
        try:
            yield
        finally:
            for layer, _ in self._layers:
                del layer.forward
