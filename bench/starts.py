"""Unmodified bundles must never be refused at a start, on any engine and with any number of threads.

Two bundles are trained, one of each form; the third was made by an earlier version of the kit.
"""

from __future__ import annotations

import sys
import tarfile
import time
from itertools import cycle, islice, product
from pathlib import Path

from bench.shared.commands import project
from bench.shared.harness import ROOT, Figure, Figures
from bench.shared.requirements import require_vllm
from bench.shared.services import serving, train_bundles

_STARTS = 20
_THREADS = (1, 2)
_ENGINES = ("local", "vllm")
_EARLIER = ROOT / "tests" / "fixtures" / "contracts.tar.gz"


def measure() -> Figures:
    """Start each bundle in turn on every engine, and count the refused starts."""
    require_vllm()
    with project("legal") as folder:
        trained = [(folder, digest) for digest in train_bundles(folder, ("merged", "adapter"))]
        bundles = [*trained, _earlier(folder / "earlier")]
        cases = list(islice(cycle(product(bundles, _THREADS, _ENGINES)), _STARTS))
        outcomes = [(engine, *_start(*bundle, engine, threads)) for bundle, threads, engine in cases]
    return {engine: _figure([each[1:] for each in outcomes if each[0] == engine]) for engine in _ENGINES}


def _earlier(folder: Path) -> tuple[Path, str]:
    with tarfile.open(_EARLIER) as archive:
        archive.extractall(folder, filter="data")
    return folder, "production"


def _start(folder: Path, bundle: str, engine: str, threads: int) -> tuple[bool, float]:
    """Return whether the service became ready, and after how many seconds."""
    start = time.monotonic()
    with serving(folder, bundle, engine, threads) as status:
        seconds = time.monotonic() - start
    if not status.get("ready"):
        print(f"refused: {engine}, {threads} threads: {status}", file=sys.stderr)
    return bool(status.get("ready")), seconds


def _figure(outcomes: list[tuple[bool, float]]) -> Figure:
    seconds = sorted(seconds for _, seconds in outcomes)
    return {
        "starts": len(outcomes),
        "refused": sum(not ready for ready, _ in outcomes),
        "median": round(seconds[len(seconds) // 2], 1),
        "longest": round(seconds[-1], 1),
        "unit": "s",
    }
