"""What CPU-minutes of LoRA bring to the base model that ships.

Reads the public sets from DOMAINKIT_DATA. `python -m bench.base PART… --base FOLDER` prints single parts, of any base,
`texts` and `xz` of them from `bench.bits`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from bench import bits
from bench.bits import public_sets, text_figures, xz_figures
from bench.shared.harness import Figures
from bench.shared.tuning import Figure, Trial, tried
from bench.tasks import characters, clauses, infilling, labelling
from kit.base import Base, find_base
from kit.train.state.machine import physical_cores

PAGE = bits.PAGE
TRIALS: Mapping[str, Callable[[Path], Trial]] = {
    "cuad": clauses.cuad,
    "legal": lambda _: clauses.legal(),
    "banking77": labelling.banking77,
    "banking77_text_only": lambda data: labelling.banking77(data, likely=0),
    "pubmedqa": labelling.pubmedqa,
    "infilling": infilling.infilling,
}
"""The longest comes first: parts run side by side."""
GAINS = (*TRIALS, "npc")


def measure() -> Figures:
    """Return every part's gain."""
    return {f"tuned.{name}": figure for name, figure in gains(public_sets(), find_base("nano")).items()}


def gains(data: Path, base: Base) -> dict[str, Figure]:
    """Return what every part gains: as many parts side by side as there are cores, each with a core of its own."""
    with ProcessPoolExecutor(physical_cores(), get_context("spawn")) as pool:
        made = {name: pool.submit(gain, name, data, base) for name in GAINS}
        return {name: each.result() for name, each in made.items()}


def gain(name: str, data: Path, base: Base) -> Figure:
    """Return what CPU-minutes of LoRA bring to a base on one task."""
    return characters.characters(data, base) if name == "npc" else tried(TRIALS[name](data), base)


def _print_parts() -> None:
    parser = argparse.ArgumentParser(description="Print single parts of the bench.")
    parser.add_argument("parts", nargs="+", choices=["texts", "xz", *GAINS])
    parser.add_argument("--base", default="nano")
    chosen = parser.parse_args()
    data, base = public_sets(), find_base(chosen.base)
    for name in chosen.parts:
        found: Mapping[str, object]
        if name == "xz":
            found = xz_figures(data)
        else:
            found = text_figures(base, data) if name == "texts" else gain(name, data, base)
        print(json.dumps({"part": name, "model": chosen.base, **found}), flush=True)


if __name__ == "__main__":
    _print_parts()
