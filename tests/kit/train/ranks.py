"""Trains the tests' tiny job as one of several processes; the first one says what every step measured."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from kit.base import Base
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

    own = int(os.environ.get("RANK", "0")) if sys.argv[3:] == ["unequal"] else 0
    train(ranked_job(Path(sys.argv[1]), Path(sys.argv[2]), rows=20 + own), None, report)


if __name__ == "__main__":
    main()
