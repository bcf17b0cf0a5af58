"""Run commands of the kit in a temporary project, and turn their JSON into figures."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.shared.harness import ROOT, Figures
from kit.errors import Exit, KitError

_EVALUATED = (Exit.OK, Exit.UNMEASURED, Exit.GATE_FAILED)


@contextmanager
def project(template: str) -> Iterator[Path]:
    """Create a project from a template in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        kit(Path(folder), "new", template)
        yield Path(folder) / template


def environment(**changes: str) -> dict[str, str]:
    """Return the environment of a child process that imports this repository."""
    return {**os.environ, "PYTHONPATH": str(ROOT), **changes}


def start_kit(folder: Path, *words: str) -> subprocess.Popen[str]:
    """Start a command in a folder; its stderr is ours."""
    command = [sys.executable, "-m", "kit", *words]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True, env=environment())


def kit(folder: Path, *words: str, allowed: tuple[int, ...] = (Exit.OK,)) -> dict[str, Any]:
    """Run a command with --json and return its result. Raises KitError for an exit code that is not allowed."""
    with start_kit(folder, *words, "--json") as process:
        output, _ = process.communicate()
    if process.returncode not in allowed:
        raise KitError(f"`kit {' '.join(words)}` ended with exit code {process.returncode}: {output.strip()[-400:]}")
    return dict(json.loads(output))


def train_and_evaluate(folder: Path, profile: str, page: Path, *options: str) -> Figures:
    """Train a profile and evaluate it with `kit eval --page`; return scores, minutes and tokens."""
    with cpu_minutes() as spent:
        trained = kit(folder, "train", "--profile", profile)
    evaluated = kit(folder, "eval", "--page", str(page), *options, allowed=_EVALUATED)
    wall, cpu = (round(minutes, 1) for minutes in spent)
    return {
        **_scores(evaluated),
        "training": {"wall_minutes": wall, "cpu_minutes": cpu, "tokens": trained["tokens"]},
    }


def _scores(evaluated: dict[str, Any]) -> Figures:
    """Return one row for each metric: base, tuned and the classical baseline."""
    rows = {}
    for line in evaluated["tasks"][0]["metrics"]:
        values = {who: (line[who] or {}).get("value") for who in ("base", "tuned", "baseline")}
        rows[line["metric"]] = {who: "not measured" if v is None else round(v, 3) for who, v in values.items()}
    return rows


@contextmanager
def cpu_minutes() -> Iterator[list[float]]:
    """Give a list; the end of the block adds wall minutes and CPU minutes of all cores and child processes."""
    spent: list[float] = []
    wall, used = time.monotonic(), _child_seconds()
    yield spent
    spent += [(time.monotonic() - wall) / 60, (_child_seconds() - used) / 60]


def _child_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
