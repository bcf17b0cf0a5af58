"""Train and evaluate in a temporary project, and return figures.

What is timed runs as the command that a user types; everything else calls the Python API.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.shared.harness import ROOT, Figures
from kit.errors import KitError
from kit.workflows import EvaluationResult, evaluate, new


@contextmanager
def project(template: str) -> Iterator[Path]:
    """Create a project from a template in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        yield new(template, Path(folder) / template).path


def environment(**changes: str) -> dict[str, str]:
    """Return the environment of a child process that imports this repository."""
    return {**os.environ, "PYTHONPATH": str(ROOT), **changes}


def start_kit(folder: Path, *words: str) -> subprocess.Popen[str]:
    """Start a command in a folder; its stderr is ours."""
    command = [sys.executable, "-m", "kit", *words]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True, env=environment())


def kit(folder: Path, *words: str) -> dict[str, Any]:
    """Run a command with --json and return its result. Raises KitError if it fails."""
    with start_kit(folder, *words, "--json") as process:
        output, _ = process.communicate()
    if process.returncode:
        raise KitError(f"`kit {' '.join(words)}` ended with exit code {process.returncode}: {output.strip()[-400:]}")
    return dict(json.loads(output))


def train_and_evaluate(
    folder: Path, profile: str, page: Path | Sequence[Path], block: str, few_shot: int = 0
) -> Figures:
    """Train a profile, and evaluate it into the block of one page or more; return scores, minutes and tokens.

    With `few_shot`, the base is also asked with up to that many training examples in its prompts.
    """
    with cpu_minutes() as spent:
        trained = kit(folder, "train", "--profile", profile)
    evaluated = evaluate(folder, few_shot=few_shot, page=page, block=block)
    wall, cpu = (round(minutes, 1) for minutes in spent)
    return {
        **_scores(evaluated),
        "training": {"wall_minutes": wall, "cpu_minutes": cpu, "tokens": trained["tokens"]},
    }


def _scores(evaluated: EvaluationResult) -> Figures:
    """Return one row for each metric of the first task: base, tuned, the classical baseline, few-shot if measured."""
    scores = next(iter(evaluated.scores.values()))
    few_shot = any(score.few_shot is not None for score in scores.values())
    return {
        metric: {
            who: "not measured" if value is None else round(value, 3)
            for who, value in asdict(score).items()
            if few_shot or who != "few_shot"
        }
        for metric, score in scores.items()
    }


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
