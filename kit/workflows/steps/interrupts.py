"""An interruption as a typed error that says how to continue."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kit.errors import Interrupted, SigTerm, Terminated


@contextmanager
def advise_on_interrupt(advice: str) -> Iterator[None]:
    """Raise Interrupted for Ctrl-C and Terminated for SIGTERM inside, with what to do next."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted("Interrupted.", next=advice) from None
    except SigTerm:
        raise Terminated("Terminated.", next=advice) from None
