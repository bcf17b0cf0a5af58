"""Trains the tests' tiny job as one of several processes, after it tried one whose rows are not the same for all."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from kit.base import Base
from kit.errors import KitError
from kit.train.events import Event, Stepped
from kit.train.job import TrainJob
from kit.train.loop import train
from tests.kit.train.parts import copy_rows, job, section


def ranked_job(folder: Path, base: Path, rows: int = 20) -> TrainJob:
    """Steps of eight rows in several micro-batches, so that processes have unequal shares; the last step is short."""
    small = section(batch_rows=8, batch_tokens=64, epochs=2, learning_rate=1e-3)
    return job(folder, rows=copy_rows(rows), train=small, base=Base(str(base), None, base), dtype="float32")


def main() -> None:
    def report(event: Event) -> None:
        if isinstance(event, Stepped):
            print(f"step {event.step} {event.loss!r} {event.gradient_norm!r}", flush=True)

    folder, base = Path(sys.argv[1]), Path(sys.argv[2])
    try:
        train(ranked_job(folder / "unequal", base, rows=20 + int(os.environ["RANK"])), None, report)
    except KitError as error:
        print(f"refused: {error}", flush=True)
    train(ranked_job(folder, base), None, report)


if __name__ == "__main__":
    main()
