"""How much nano gains from a few CPU-minutes of LoRA on several tasks.

Reads the public data sets from DOMAINKIT_DATA. `python -m bench.base PART… --base FOLDER` prints single parts for any
base; its parts `texts` and `xz` are those of `bench.bits`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from bench import bits
from bench.shared.harness import Figure, Figures
from bench.shared.requirements import public_sets
from bench.shared.tuning import Trial, measure_trial
from bench.tasks import characters, clauses, infilling, labelling
from kit.base import Base, find_base
from kit.train.state.conditions import physical_cores

PAGE = bits.PAGE
TRIALS: Mapping[str, Callable[[Path], Trial]] = {
    "cuad": clauses.cuad,
    "legal": lambda _: clauses.legal(),
    "banking77": labelling.banking77,
    "banking77_text_only": lambda data: labelling.banking77(data, likely=0),
    "pubmedqa": labelling.pubmedqa,
    "infilling": infilling.infilling,
}
"""The longest comes first, because parts run in parallel."""
GAINS = (*TRIALS, "npc")


def measure() -> Figures:
    """Return the gain of every part."""
    return {f"tuned.{name}": figure for name, figure in gains(public_sets(), find_base("nano")).items()}


def gains(data: Path, base: Base) -> dict[str, Figure]:
    """Return the gain of every part. As many parts run in parallel as there are cores, each on one core."""
    with ProcessPoolExecutor(physical_cores(), get_context("spawn")) as pool:
        made = {name: pool.submit(gain, name, data, base) for name in GAINS}
        return {name: each.result() for name, each in made.items()}


def gain(name: str, data: Path, base: Base) -> Figure:
    """Return the gain of a base on one task."""
    return characters.characters(data, base) if name == "npc" else measure_trial(TRIALS[name](data), base)


def _print_parts() -> None:
    parser = argparse.ArgumentParser(description="Print single parts of the bench.")
    parser.add_argument("parts", nargs="+", choices=["texts", "xz", *GAINS])
    parser.add_argument("--base", default="nano")
    chosen = parser.parse_args()
    data, base = public_sets(), find_base(chosen.base)
    for name in chosen.parts:
        found: Mapping[str, object]
        if name == "xz":
            found = bits.xz_figures(data)
        else:
            found = bits.text_figures(base, data) if name == "texts" else gain(name, data, base)
        print(json.dumps({"part": name, "model": chosen.base, **found}), flush=True)


if __name__ == "__main__":
    _print_parts()
