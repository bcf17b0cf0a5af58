"""Reads the header of a safetensors file: names, types, shapes and positions of its tensors, no values."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kit.errors import InputError

_WIDTHS = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2"), 1),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 2),
    **dict.fromkeys(("F32", "I32", "U32"), 4),
    **dict.fromkeys(("F64", "I64", "U64"), 8),
}

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Tensor:
    """A tensor in a file: the format's name of its type, its shape, and the bytes from `begin` up to `end`."""

    file: Path
    kind: str
    shape: tuple[int, ...]
    begin: int
    end: int


def read_header(file: Path) -> dict[str, Tensor]:
    """Return the tensors of a file by name: eight bytes of length, a header in JSON, then the values.

    Raises InputError if the file cannot be read, or is not as long as its header says.
    """
    try:
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            header = json.loads(stream.read(min(length, file.stat().st_size)))
        header.pop("__metadata__", None)
        tensors = {name: _tensor(file, 8 + length, entry) for name, entry in header.items()}
        if file.stat().st_size != max((tensor.end for tensor in tensors.values()), default=8 + length):
            raise ValueError("the file has been cut or has grown")
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise InputError("This is not a safetensors file.", str(file), "Get this file again.") from None
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(f"These weights cannot be read: {error}.", str(file), "Get this file again.") from None
    return tensors


def shapes_in(file: Path) -> Shapes:
    """Return the names and shapes of the tensors in a file. Raises InputError as `read_header` does."""
    return {name: tensor.shape for name, tensor in read_header(file).items()}


def _tensor(file: Path, start: int, entry: dict[str, Any]) -> Tensor:
    begin, end = entry["data_offsets"]
    tensor = Tensor(file, str(entry["dtype"]), tuple(entry["shape"]), start + begin, start + end)
    width = _WIDTHS.get(tensor.kind)
    if width is not None and tensor.end - tensor.begin != width * math.prod(tensor.shape):
        raise ValueError("a tensor has another size than its shape says")
    return tensor
