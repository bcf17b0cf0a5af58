"""Train a test job in a separate process, print every saved step, and exit with the right code."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from kit.errors import KitError
from kit.train.events import Event, Saved
from kit.train.loop import train
from tests.kit.train.parts import job, section


def main() -> None:
    """Train in a folder, by settings in JSON."""

    def report(event: Event) -> None:
        if isinstance(event, Saved):
            print(event.step, flush=True)

    try:
        asked = section(**json.loads(sys.argv[2]))
        train(job(Path(sys.argv[1]), train=asked, save_seconds=0.0), None, report)
    except KitError as error:
        print(error, file=sys.stderr)
        sys.exit(error.code)


if __name__ == "__main__":
    main()
