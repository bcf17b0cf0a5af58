"""What a block writes to stdout and stderr, by Python or by a library below it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path


@contextmanager
def written_to(file: Path) -> Iterator[None]:
    """Send both streams to a file inside the block."""
    kept = [os.dup(number) for number in (1, 2)]
    with file.open("w", encoding="utf-8") as stream, redirect_stdout(stream), redirect_stderr(stream):
        try:
            for number in (1, 2):
                os.dup2(stream.fileno(), number)
            yield
        finally:
            stream.flush()
            for number, handle in enumerate(kept, start=1):
                os.dup2(handle, number)
                os.close(handle)
