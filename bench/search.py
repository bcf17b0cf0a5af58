"""`kit search` over the ranges of the legal template's smoke profile: is what it finds better than the defaults?"""

from __future__ import annotations

from typing import Any

from bench.shared.commands import cpu_minutes, kit, project
from bench.shared.harness import Figures, short
from kit.train.state.machine import physical_cores

_TRIALS = 6


def measure() -> Figures:
    """Return the trials, and the best one less the recipe's own values on the test examples, paired."""
    with project("legal") as folder, cpu_minutes() as spent:
        words = ("--profile", "smoke", "--trials", str(_TRIALS), "--workers", str(physical_cores()))
        found = kit(folder, "search", *words)
    wall, cpu = (round(minutes, 1) for minutes in spent)
    tried = {f"trial_{made['number']}": _trial(made) for made in found["tried"]}
    return {**tried, "best_less_default": {**_change(found), "wall_minutes": wall, "cpu_minutes": cpu}}


def _trial(made: dict[str, Any]) -> dict[str, float | int | str]:
    values = {name.removeprefix("train."): _short(value) for name, value in made["values"].items()}
    return {**values, "outcome": made["outcome"], "validation": "" if made["value"] is None else short(made["value"])}


def _change(found: dict[str, Any]) -> dict[str, float | int | str]:
    change = found["change"]
    told: dict[str, float | int | str] = {"trial": found["best"]["number"], "outcome": found["outcome"]}
    if change is None:
        return told
    where = change["interval"]
    spread = f"{where['low']:+.3f} to {where['high']:+.3f}" if where else "not measured"
    return {**told, "change": round(change["difference"], 3), "interval": spread}


def _short(value: Any) -> Any:
    return short(value) if isinstance(value, float) else value
