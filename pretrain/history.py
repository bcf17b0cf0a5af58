"""Read the log of a run, and plot it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kit.errors import MissingExtra

SMOOTHING = 0.98


@dataclass(frozen=True)
class History:
    """Steps and measurements in order; if a step was repeated, the last one counts."""

    steps: Sequence[dict[str, Any]]
    measured: Sequence[dict[str, Any]]


def read_history(log: Path) -> History:
    """Return the steps and measurements in a log."""
    found: dict[str, dict[int, dict[str, Any]]] = {"stepped": {}, "measured": {}}
    for line in log.read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        kept = found[event["event"]]
        for later in [step for step in kept if step >= event["step"]]:
            del kept[later]
        kept[event["step"]] = event
    return History(list(found["stepped"].values()), list(found["measured"].values()))


def smoothed(values: Sequence[float], share: float = SMOOTHING) -> list[float]:
    """Return exponential moving averages, with bias correction at the start."""
    means, mean, weight = [], 0.0, 0.0
    for value in values:
        mean, weight = share * mean + (1 - share) * value, share * weight + (1 - share)
        means.append(mean / weight)
    return means


def draw(history: History, file: Path) -> None:
    """Plot the loss, and bits per byte on held-out texts, over tokens.

    Raises MissingExtra without matplotlib.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise MissingExtra("matplotlib", "pretrain") from error
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    millions = [step["tokens"] / 1e6 for step in history.steps]
    left.plot(millions, smoothed([step["loss"] for step in history.steps]))
    left.set(xlabel="million tokens", ylabel="nats per token", title="training loss, smoothed")
    for domain in history.measured[-1]["bits_per_byte"] if history.measured else ():
        points = [(each["tokens"] / 1e6, each["bits_per_byte"][domain]) for each in history.measured]
        right.plot(*zip(*points, strict=True), label=domain, marker=".")
    right.set(xlabel="million tokens", ylabel="bits per byte", title="held-out texts")
    if history.measured:
        right.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.savefig(file, dpi=110)
    pyplot.close(figure)
