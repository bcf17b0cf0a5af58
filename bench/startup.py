"""The time of `kit --help`, divided by that of a Python process that only imports click and pydantic."""

from __future__ import annotations

import subprocess
import sys
import time

from bench.shared.harness import ROOT, Figures, alternate
from kit.errors import Unmeasured

_PAIRS = 15


def measure() -> Figures:
    """Return the seconds of `kit --help`, divided by those of the two imports, each in a new process."""
    ratio = alternate(
        lambda: _seconds("-m", "kit", "--help"),
        lambda: _seconds("-c", "import click, pydantic"),
        _PAIRS,
    )
    return {"kit_help": ratio.figure("s")}


def _seconds(*arguments: str) -> float:
    start = time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode != 0:
        error = done.stderr.strip()[-400:]
        raise Unmeasured(f"`python {' '.join(arguments)}` ended with exit code {done.returncode}: {error}")
    return seconds
