"""Reads what a safetensors file says of itself, without loading it."""

from __future__ import annotations

import json
from pathlib import Path

from kit.errors import InputError

Shapes = dict[str, tuple[int, ...]]


def shapes_in(file: Path) -> Shapes:
    """Return the names and shapes in a file: eight bytes of length, a header in JSON, then the values.

    Raises InputError where the file cannot be read, or is not as long as its header says.
    """
    try:
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            header = json.loads(stream.read(min(length, file.stat().st_size)))
        header.pop("__metadata__", None)
        end = 8 + length + max((value["data_offsets"][1] for value in header.values()), default=0)
        if file.stat().st_size != end:
            raise ValueError("the file has been cut or has grown")
        return {key: tuple(value["shape"]) for key, value in header.items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(f"These weights cannot be read: {error}.", str(file)) from None
