"""Where an exception came from, without its message: that may hold what a client wrote."""

from __future__ import annotations

import traceback
from types import TracebackType


def safe_trace(error: BaseException) -> str:
    """Return the types of an exception and of its causes, each with its frames, and no message.

    The message of an exception whose class says that it is `safe` is made by this project and holds no client's text.
    """
    parts, seen = [], set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        said = f": {current}" if getattr(current, "safe", False) else ""
        parts.append(f"{type(current).__module__}.{type(current).__qualname__}{said}\n{_frames(current.__traceback__)}")
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return "\ncaused by ".join(parts).rstrip()


def _frames(tb: TracebackType | None) -> str:
    """Return the file, line and function of each frame; its source line is our own code, but says nothing more."""
    return "".join(f"  {frame.filename}:{frame.lineno} in {frame.name}\n" for frame in traceback.extract_tb(tb))
