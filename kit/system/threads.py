"""Sets how OpenMP threads wait for one another; call it before torch is loaded."""

from __future__ import annotations

import os


def share_cores() -> None:
    """Let waiting threads spin for only a few microseconds, unless the user has set the spin time.

    With the default, a second busy process makes this one several times slower: threads spin while they wait for a
    thread that is not scheduled. Without any spinning, small layers are a fifth slower.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
