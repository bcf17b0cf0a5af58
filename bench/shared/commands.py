"""Runs the kit's own commands in a scratch project, and turns an evaluation into figures."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.shared.harness import Figures
from kit.errors import KitError
from kit.workflows import evaluate

ROOT = Path(__file__).parents[2]


@contextmanager
def project(template: str) -> Iterator[Path]:
    """Give a project made from a template; it is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / template
        kit(Path(folder), "new", template)
        yield made


def kit(folder: Path, *words: str) -> dict[str, Any]:
    """Run one command and return its JSON; chatter goes to stderr. Raises KitError where it fails."""
    command = [sys.executable, "-m", "kit", *words, "--json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True, check=False, env=environment)
    if done.returncode:
        raise KitError(f"`kit {' '.join(words)}` ended with {done.returncode}: {done.stdout.strip()[-400:]}")
    return dict(json.loads(done.stdout))


@contextmanager
def cpu_minutes() -> Iterator[list[float]]:
    """Give a list that gets wall minutes and CPU minutes (all cores, child processes included) at the end."""
    spent: list[float] = []
    wall, used = time.monotonic(), _children()
    yield spent
    spent += [(time.monotonic() - wall) / 60, (_children() - used) / 60]


def _children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def evaluated(folder: Path, page: Path, block: str | None = None) -> Mapping[str, Any]:
    """Measure the newest bundle, write its table into a page, and return what was attested.

    Raises KitError where a file could not be written.
    """
    result = evaluate(folder, page=page, block=block)
    if result.problems:
        raise KitError(result.problems)
    return result.attested


def evaluation_figures(payload: Mapping[str, Any]) -> Figures:
    """Return one row per metric: base, tuned and the classical baseline."""
    rows = {}
    for line in payload["tasks"][0]["metrics"]:
        values = {who: (line[who] or {}).get("value") for who in ("base", "tuned", "baseline")}
        rows[line["metric"]] = {who: "not measured" if v is None else round(v, 3) for who, v in values.items()}
    return rows


def training_figures(trained: dict[str, Any], spent: list[float]) -> Figures:
    """Return what `kit train` took, from start to bundle: wall minutes, and minutes of all cores together."""
    wall, cpu = (round(minutes, 1) for minutes in spent)
    return {"training": {"wall_minutes": wall, "cpu_minutes": cpu, "tokens": trained["tokens"]}}
