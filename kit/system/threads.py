"""Sets how OpenMP threads wait for one another; call it before torch is loaded."""

from __future__ import annotations

import os


def share_cores() -> None:
    """Let a waiting thread spin for only some microseconds, unless the user has set it.

    With the default, a second busy process on the machine costs several times the speed, because threads spin for
    work that a descheduled thread still holds; without any spinning, small layers lose a fifth.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
