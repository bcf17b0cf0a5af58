"""Trains the tests' job in a process of its own, prints every saved step, and ends with the right exit code."""

from __future__ import annotations

import sys
from pathlib import Path

from kit.errors import KitError
from kit.train.events import Event, Saved
from kit.train.loop import train
from tests.kit.train.parts import job, section


def main() -> None:
    """Train with dropout, so that the random states matter."""

    def report(event: Event) -> None:
        if isinstance(event, Saved):
            print(event.step, flush=True)

    try:
        dropout = section(lora={"rank": 8, "dropout": 0.1})
        train(job(Path(sys.argv[1]), train=dropout, save_seconds=0.0), None, report)
    except KitError as error:
        print(error, file=sys.stderr)
        sys.exit(error.code)


if __name__ == "__main__":
    main()
