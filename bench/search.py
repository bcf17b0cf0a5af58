"""`kit search` over the ranges of the legal template's smoke profile: does it beat the defaults?"""

from __future__ import annotations

from typing import Any

from bench.shared.commands import cpu_minutes, kit, project
from bench.shared.harness import Figure, Figures, four_digits, interval_text
from kit.train.state.conditions import physical_cores

_TRIALS = 6


def measure() -> Figures:
    """Return the trials, and the paired test difference of the best trial to the recipe's own values."""
    with project("legal") as folder, cpu_minutes() as spent:
        words = ("--profile", "smoke", "--trials", str(_TRIALS), "--workers", str(physical_cores()))
        found = kit(folder, "search", *words)
    wall, cpu = (round(minutes, 1) for minutes in spent)
    trials = {f"trial_{trial['number']}": _trial(trial) for trial in found["tried"]}
    return {**trials, "best_less_default": {**_change(found), "wall_minutes": wall, "cpu_minutes": cpu}}


def _trial(trial: dict[str, Any]) -> Figure:
    values = {name.removeprefix("train."): _rounded(value) for name, value in trial["values"].items()}
    validation = "" if trial["value"] is None else four_digits(trial["value"])
    return {**values, "outcome": trial["outcome"], "validation": validation}


def _change(found: dict[str, Any]) -> Figure:
    change = found["change"]
    figure: Figure = {"trial": found["best"]["number"], "outcome": found["outcome"]}
    if change is None:
        return figure
    interval = change["interval"]
    text = interval_text(interval["low"], interval["high"]) if interval else "not measured"
    return {**figure, "change": round(change["difference"], 3), "interval": text}


def _rounded(value: Any) -> Any:
    return four_digits(value) if isinstance(value, float) else value
