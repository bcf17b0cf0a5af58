"""Trains the tests' tiny jobs as one of several processes, after it tried one whose rows are not the same for all."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kit.base import Base
from kit.errors import KitError
from kit.train.events import Event, Stepped
from kit.train.job import TrainJob
from kit.train.loop import train
from tests.kit.train.parts import copy_rows, job, section

VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "plain": {},
    "ewc": {"ewc": {"data": "unused.jsonl", "strength": 1e4}},
}
"""Settings of the jobs by name. The penalty is strong enough to change every step after the first."""


def ranked_job(folder: Path, base: Path, variant: str = "plain", rows: int = 20) -> TrainJob:
    """Steps of eight rows in several micro-batches, so that processes have unequal shares; the last step is short."""
    common = {"batch_rows": 8, "batch_tokens": 64, "epochs": 2, "learning_rate": 1e-3}
    settings = section(**common, **VARIANTS[variant])
    given = {"reference": copy_rows(4, seed=5)} if settings.ewc else {}
    return job(folder, rows=copy_rows(rows), train=settings, base=Base(str(base), None, base), dtype="float32", **given)


def main() -> None:
    variant = ""

    def report(event: Event) -> None:
        if isinstance(event, Stepped):
            print(f"{variant} step {event.step} {event.loss!r} {event.gradient_norm!r}", flush=True)

    folder, base = Path(sys.argv[1]), Path(sys.argv[2])
    try:
        train(ranked_job(folder / "unequal", base, rows=20 + int(os.environ["RANK"])), None, report)
    except KitError as error:
        print(f"refused: {error}", flush=True)
    for variant in VARIANTS:
        train(ranked_job(folder / variant, base, variant), None, report)


if __name__ == "__main__":
    main()
