"""Honest starts: bundles that nobody touched must never be refused, on any engine and with any number of threads.

Two bundles are trained, one of each form; the third is one that an earlier version of the kit left.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from itertools import cycle, islice, product
from pathlib import Path

import yaml

from bench.shared.commands import ROOT, kit, project
from bench.shared.harness import Figures
from kit.engines import available
from kit.errors import Unmeasured

_STARTS = 20
_THREADS = (1, 2)
_FORMS = ("merged", "adapter")
_EARLIER = ROOT / "tests" / "fixtures" / "contracts.tar.gz"


def measure() -> Figures:
    """Start small bundles of each form, and an earlier one, in turn on every engine; count the starts refused."""
    engines = [name for name in ("local", "vllm") if name in available()]
    if "vllm" not in engines:
        raise Unmeasured("vLLM is not installed.", next="Run `make setup` on a machine that it is built for.")
    with project("legal") as folder:
        bundles = [*_bundles(folder), _earlier(folder / "earlier")]
        cases = list(islice(cycle(product(bundles, _THREADS, engines)), _STARTS))
        outcomes = [(engine, *_start(*bundle, engine, threads)) for bundle, threads, engine in cases]
    return {engine: _figure([each[1:] for each in outcomes if each[0] == engine]) for engine in engines}


def _bundles(folder: Path) -> list[tuple[Path, str]]:
    """Train on a few documents, once for each form; return the project's folder with each bundle's digest."""
    path = folder / "recipe.yaml"
    recipe = yaml.safe_load(path.read_text())
    small = {"data": {"limit_train": 48, "limit_validation": 8}}
    for form in _FORMS:
        recipe["profiles"][form] = {**recipe["profiles"]["smoke"], **small, "bundle": {"form": form}}
    path.write_text(yaml.safe_dump(recipe, sort_keys=False))
    return [(folder, str(kit(folder, "train", "--profile", form)["bundle"])) for form in _FORMS]


def _earlier(folder: Path) -> tuple[Path, str]:
    with tarfile.open(_EARLIER) as archive:
        archive.extractall(folder, filter="data")
    return folder, "production"


def _start(folder: Path, bundle: str, engine: str, threads: int) -> tuple[bool, float]:
    """Return whether the service became ready, and the seconds that it took."""
    words = ("serve", bundle, "--port", "0", "--engine", engine, "--threads", str(threads), "--json")
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "kit", *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline() or "{}")
        seconds = time.monotonic() - began
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    if not said.get("ready"):
        print(f"refused: {engine}, {threads} threads: {said}", file=sys.stderr)
    return bool(said.get("ready")), seconds


def _figure(outcomes: list[tuple[bool, float]]) -> dict[str, float | int | str]:
    seconds = sorted(seconds for _, seconds in outcomes)
    refused = sum(not ready for ready, _ in outcomes)
    median = round(seconds[len(seconds) // 2], 1)
    return {
        "starts": len(outcomes),
        "refused": refused,
        "median": median,
        "longest": round(seconds[-1], 1),
        "unit": "s",
    }
