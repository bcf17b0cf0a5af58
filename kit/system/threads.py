"""How OpenMP threads wait for one another; read when torch is loaded, so it has to be decided before."""

from __future__ import annotations

import os


def share_cores() -> None:
    """Let a waiting thread spin for some microseconds only, unless the user decided otherwise.

    With the default, a second busy process on the machine costs several times the speed, because threads spin for
    work that a descheduled thread still holds; without any spinning, small layers lose a fifth.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
