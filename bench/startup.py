"""How long `kit --help` takes, over a Python that imports click and pydantic and does nothing."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from bench.shared.harness import Figures, alternate
from kit.errors import Unmeasured

_ROOT = Path(__file__).parents[1]
_PAIRS = 15


def measure() -> Figures:
    """Return seconds of `kit --help` over seconds of the two imports, each in a fresh process."""
    ratio = alternate(
        lambda: _seconds("-m", "kit", "--help"),
        lambda: _seconds("-c", "import click, pydantic"),
        _PAIRS,
    )
    return {"kit_help": ratio.figure("s")}


def _seconds(*arguments: str) -> float:
    began = time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], cwd=_ROOT, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    if done.returncode != 0:
        raise Unmeasured(f"`python {' '.join(arguments)}` ended with {done.returncode}: {done.stderr.strip()[-400:]}")
    return seconds
