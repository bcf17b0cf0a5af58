"""What every bench shares: alternating runs against a peer, the JSON line, and the table in the docs."""

from __future__ import annotations

import json
import pkgutil
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kit.evals.figures import write_figures
from kit.system.machine import describe, machine_facts, version_facts

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"

Figures = Mapping[str, Mapping[str, float | int | str]]


@dataclass(frozen=True)
class Ratio:
    """Ours over theirs from alternating runs: the median of the pairs' ratios, and the middle half of them.

    `ours` and `theirs` are medians in the unit that was measured.
    """

    ratio: float
    low: float
    high: float
    ours: float
    theirs: float
    pairs: int

    def figure(self, unit: str) -> dict[str, float | int | str]:
        """Return the ratio as a bench reports it."""
        rounded = {key: short(value) for key, value in vars(self).items() if key != "pairs"}
        return {**rounded, "pairs": self.pairs, "unit": unit}


def names() -> list[str]:
    """Return the benches: every module of `bench`; its rooms hold what they share."""
    found = pkgutil.iter_modules([str(Path(__file__).parents[1])])
    return sorted(module.name for module in found if not module.ispkg and module.name != "__main__")


def alternate(ours: Callable[[], float], theirs: Callable[[], float], pairs: int) -> Ratio:
    """Measure both in turn, after one run of each that does not count; every other pair begins with the peer."""
    ours(), theirs()
    both: list[tuple[float, float]] = []
    for index in range(pairs):
        if index % 2:
            second = theirs()
            both.append((ours(), second))
        else:
            both.append((ours(), theirs()))
    return ratio_of(both)


def ratio_of(both: Sequence[tuple[float, float]]) -> Ratio:
    """Return the ratio of pairs that were measured in turn: ours, theirs. It takes two pairs or more."""
    ratios = [one / two for one, two in both]
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
    medians = [statistics.median(side) for side in zip(*both, strict=True)]
    return Ratio(middle, low, high, medians[0], medians[1], len(both))


def publish(name: str, figures: Figures, page: Path = PAGE) -> None:
    """Refresh the bench's tables in the docs, and print the JSON line that ends every bench."""
    machine, versions = machine_facts(), version_facts()
    write_figures(page, name, f"{_tables(figures)}\n\n{describe(machine, versions)}")
    print(json.dumps({"bench": name, "figures": figures, "machine": machine, "versions": versions}), flush=True)


def _tables(figures: Figures) -> str:
    """One row per figure. A figure joins the first table that has two thirds of its keys, or of which it has them."""
    tables: list[tuple[list[str], list[str]]] = []
    for name, values in figures.items():
        names, keys = next((each for each in tables if _alike(each[1], values)), ([], []))
        if not names:
            tables.append((names, keys))
        names.append(name)
        keys.extend(key for key in values if key not in keys)
    return "\n\n".join(_table(figures, names, keys) for names, keys in tables)


def _alike(keys: Sequence[str], others: Mapping[str, Any]) -> bool:
    return 3 * len({*keys} & {*others}) >= 2 * min(len(keys), len(others))


def _table(figures: Figures, names: Sequence[str], keys: Sequence[str]) -> str:
    """One column per key; a figure leaves the keys that it does not have empty."""
    rows = [["figure", *keys], ["---"] * (len(keys) + 1)]
    rows += [[name, *(str(figures[name].get(key, "")) for key in keys)] for name in names]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def short(value: float) -> float:
    """Return a number with the four figures that a bench reports."""
    return float(f"{value:.4g}")
