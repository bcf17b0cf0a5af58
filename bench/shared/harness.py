"""Alternating runs against a peer, the JSON line at the end of a bench, and its table in the docs."""

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

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "benchmarks.md"

Figure = dict[str, float | int | str]
Figures = Mapping[str, Mapping[str, float | int | str]]


@dataclass(frozen=True)
class Ratio:
    """Ours over theirs from alternating runs: the median of the pairs' ratios, with the first and third quartile.

    `ours` and `theirs` are medians in the measured unit.
    """

    ratio: float
    low: float
    high: float
    ours: float
    theirs: float
    pairs: int

    def figure(self, unit: str) -> Figure:
        """Return the ratio as a figure."""
        rounded = {key: four_digits(value) for key, value in vars(self).items() if key != "pairs"}
        return {**rounded, "pairs": self.pairs, "unit": unit}


def bench_names() -> list[str]:
    """Return the names of the benches: every module of `bench`, but not its packages."""
    found = pkgutil.iter_modules([str(ROOT / "bench")])
    return sorted(module.name for module in found if not module.ispkg and module.name != "__main__")


def alternate(ours: Callable[[], float], theirs: Callable[[], float], pairs: int) -> Ratio:
    """Measure both in turn, after one warm-up run of each; every second pair starts with the peer."""
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
    """Return the ratio from at least two pairs (ours, theirs) that were measured in turn."""
    ratios = [one / two for one, two in both]
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
    medians = [statistics.median(side) for side in zip(*both, strict=True)]
    return Ratio(middle, low, high, medians[0], medians[1], len(both))


def publish(name: str, figures: Figures, page: Path = PAGE) -> None:
    """Update the bench's tables in the docs and print its JSON line."""
    machine, versions = machine_facts(), version_facts()
    write_figures(page, name, f"{_tables(figures)}\n\n{describe(machine, versions)}")
    print(json.dumps({"bench": name, "figures": figures, "machine": machine, "versions": versions}), flush=True)


def _tables(figures: Figures) -> str:
    """Return tables with one row for each figure. Figures with two thirds of their columns in common share a table."""
    tables: list[tuple[list[str], list[str]]] = []
    for name, values in figures.items():
        names, keys = next((each for each in tables if _share_columns(each[1], values)), ([], []))
        if not names:
            tables.append((names, keys))
        names.append(name)
        keys.extend(key for key in values if key not in keys)
    return "\n\n".join(_table(figures, names, keys) for names, keys in tables)


def _share_columns(keys: Sequence[str], others: Mapping[str, Any]) -> bool:
    return 3 * len({*keys} & {*others}) >= 2 * min(len(keys), len(others))


def _table(figures: Figures, names: Sequence[str], keys: Sequence[str]) -> str:
    """Return a table with one column for each key; a cell is empty if the figure does not have the key."""
    rows = [["figure", *keys], ["---"] * (len(keys) + 1)]
    rows += [[name, *(str(figures[name].get(key, "")) for key in keys)] for name in names]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def four_digits(value: float) -> float:
    """Round a number to four significant digits."""
    return float(f"{value:.4g}")


def interval_text(low: float, high: float) -> str:
    """Return the interval of a change as text."""
    return f"{low:+.3f} to {high:+.3f}"
