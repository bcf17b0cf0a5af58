"""Finds infinite and not-a-number values in safetensors files with the standard library: several GB per second."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from kit.base.headers import Tensor, read_header

_PIECE = 16 * 2**20
# Of each type: its width, the bits that are all set if a value is infinite or not a number (of its last two bytes,
# little end first), and the last bytes that such a value can have.
_TYPES = {
    "BF16": (2, 0x7F80, (0x7F, 0xFF)),
    "F32": (4, 0x7F80, (0x7F, 0xFF)),
    "F64": (8, 0x7FF0, (0x7F, 0xFF)),
    "F16": (2, 0x7C00, (*range(0x7C, 0x80), *range(0xFC, 0x100))),
}


def not_finite(file: Path) -> tuple[str, ...]:
    """Return the names of the tensors of a file with an infinite or not-a-number value.

    The result is cached until the file changes. Raises InputError as `read_header` does.
    """
    state = file.stat()
    return _not_finite(file, state.st_size, state.st_mtime_ns, state.st_ino)


def same_values(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same type, shape and bytes."""
    if (one.kind, one.shape) != (other.kind, other.shape):
        return False
    return all(ours == theirs for ours, theirs in zip(_pieces(one), _pieces(other), strict=True))


@lru_cache(maxsize=256)
def _not_finite(file: Path, *state: int) -> tuple[str, ...]:
    del state
    return tuple(name for name, tensor in read_header(file).items() if not _is_finite(tensor))


def _is_finite(tensor: Tensor) -> bool:
    if tensor.kind not in _TYPES:
        return True
    width, mask, last = _TYPES[tensor.kind]
    for piece in _pieces(tensor):
        ends = piece[width - 1 :: width]
        if any(bytes([byte]) in ends for byte in last) and not _all_finite(piece, width, mask):
            return False
    return True


def _all_finite(piece: bytes, width: int, mask: int) -> bool:
    """Check every value: slow, so only for the rare piece with a very large one."""
    high, low = piece[width - 1 :: width], piece[width - 2 :: width]
    return all((upper << 8 | lower) & mask != mask for upper, lower in zip(high, low, strict=True))


def _pieces(tensor: Tensor) -> Iterator[bytes]:
    with tensor.file.open("rb") as stream:
        stream.seek(tensor.begin)
        left = tensor.end - tensor.begin
        while left > 0 and (piece := stream.read(min(_PIECE, left))):
            left -= len(piece)
            yield piece
