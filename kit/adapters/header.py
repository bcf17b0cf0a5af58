"""Reads what a safetensors file says of itself, without loading it."""

from __future__ import annotations

from pathlib import Path

from kit.base.headers import read_header

Shapes = dict[str, tuple[int, ...]]


def shapes_in(file: Path) -> Shapes:
    """Return the names and shapes of the tensors in a file.

    Raises InputError where the file cannot be read, or is not as long as its header says.
    """
    return {name: tensor.shape for name, tensor in read_header(file).items()}
