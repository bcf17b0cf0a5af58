"""Estimates the time and cost of training: from a rate measured on this machine, or from a stated peak."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from kit.data.checking.checks import row_facts
from kit.data.rows import Row, Rows
from kit.project.runs import Run, list_runs
from kit.recipe import FloatType, Recipe
from kit.system.machine import compute_type, has_nvidia, machine_name
from kit.train.plan.estimate import (
    Memory,
    Shape,
    estimate_memory,
    largest_batch,
    read_shape,
    training_flops,
    what_is_unknown,
)

if TYPE_CHECKING:
    from kit.data.mixture import Mixture

Basis = Literal["measured", "peak", "unmeasured"]


@dataclass(frozen=True)
class Work:
    """The amount of training data: rows, tokens, supervised tokens, and the length of the longest row."""

    rows: int
    tokens: int
    supervised: int
    longest: int


def work_of(facts: Mapping[str, Any]) -> Work:
    """Return the amount of training data, from the facts about measured rows."""
    return Work(facts["rows"], facts["tokens"], facts["supervised_tokens"], facts["longest"])


def work_of_epoch(rows: Sequence[Row], mixture: Mixture | None, seed: int) -> Work:
    """Return the amount of data in the first epoch: every row once, or the rows that a mixture draws."""
    taken = [rows[index] for index in mixture.epoch(0, seed)] if mixture else rows
    work = work_of(row_facts(Rows(tuple(taken))))
    return replace(work, longest=max(len(row.ids) for row in rows))


@dataclass(frozen=True)
class Forecast:
    """Memory, seconds and cost of a training run; None where unknown.

    `how` says what the time is based on; `unknown` says why memory is unknown.
    """

    memory: Memory | None
    seconds: float | None
    basis: Basis
    how: str
    cost: float | None = None
    unknown: str = ""

    def facts(self) -> dict[str, Any]:
        """Return the forecast as data, in bytes and seconds."""
        memory = {**asdict(self.memory), "total": self.memory.total} if self.memory else None
        found = {"memory": memory, "seconds": self.seconds, "basis": self.basis, "how": self.how, "cost": self.cost}
        return {**found, "sentences": self.lines()}

    def lines(self) -> list[str]:
        """Return the forecast as sentences."""
        memory = f"memory: {self.memory.sentence() if self.memory else f'unknown: {self.unknown}'}"
        if self.seconds is None:
            return [memory, f"time: {self.how}"]
        least = "at least" if self.basis == "peak" else "about"
        cost = [] if self.cost is None else [f"cost: {least} {self.cost:.2f} at the price given"]
        return [memory, f"time: {least} {_clock(self.seconds)}, {self.how}", *cost]


def forecast(
    root: Path, base: Path, recipe: Recipe, work: Work, peak_tflops: float | None, price: float | None
) -> Forecast:
    """Estimate a run of a project. `peak_tflops` is the device's speed, `price` is per hour. Excludes evaluation."""
    shape = read_shape(base)
    memory = _memory(shape, recipe, work) if shape else None
    seconds, basis, how = _time(root, shape, recipe, work, peak_tflops)
    most = recipe.train.max_minutes
    if seconds is not None and most is not None and seconds > most * 60:
        seconds, how = most * 60, f"{how}; train.max_minutes stops it then"
    cost = None if seconds is None or price is None else seconds / 3600 * price
    unknown = "" if memory else what_is_unknown(shape, recipe.train, _computed_in(recipe))
    return Forecast(memory, seconds, basis, how, cost, unknown)


def _memory(shape: Shape, recipe: Recipe, work: Work) -> Memory | None:
    tokens = largest_batch(recipe, work.rows, work.longest)
    labels = round(tokens * work.supervised / work.tokens)
    rows = max(1, tokens // work.longest)
    return estimate_memory(shape, recipe.train, _computed_in(recipe), tokens, labels, rows)


def _computed_in(recipe: Recipe) -> FloatType:
    """Return the type that training on this machine would compute in, without loading a heavy package.

    4-bit training needs an NVIDIA GPU, so its type is that of a GPU.
    """
    gpu = has_nvidia() or recipe.train.method == "qlora"
    return compute_type(recipe.train.compute, recipe.base.dtype, "cuda" if gpu else "cpu")


def _time(
    root: Path, shape: Shape | None, recipe: Recipe, work: Work, peak: float | None
) -> tuple[float | None, Basis, str]:
    tokens = work.tokens * recipe.train.epochs
    found = measured_rate(root, recipe)
    if found:
        run, rate = found
        return tokens / rate, "measured", f"at the {rate:,.0f} tokens/s that run {run.id} made on this machine"
    if peak is None or shape is None:
        return (
            None,
            "unmeasured",
            "unknown until this base has been trained here once; --peak-tflops gives a lower bound",
        )
    labels = round(work.supervised * recipe.train.epochs)
    frozen = recipe.train.method != "full"
    flops = training_flops(shape, round(tokens), labels, work.tokens / work.rows, frozen)
    how = f"at {peak:g} TFLOP/s; a real run is slower than that"
    return flops / (peak * 1e12), "peak", how


def measured_rate(root: Path, recipe: Recipe) -> tuple[Run, float] | None:
    """Return the latest run with steps of the same base, method, type and machine, and its last rate."""
    for run in reversed(list_runs(root)):
        events = _events(run.metrics)
        probed = next((event for event in events if event["event"] == "probed"), None)
        rates = [event["tokens_per_second"] for event in events if event["event"] == "stepped"]
        if probed and rates and probed["machine"] == machine_name() and _same_base(run, recipe):
            return run, float(rates[-1])
    return None


def _events(file: Path) -> list[dict[str, Any]]:
    lines = file.read_text(encoding="utf-8", errors="replace").split("\n")[:-1] if file.is_file() else []
    return [event for line in lines if (event := _event(line))]


def _event(line: str) -> dict[str, Any] | None:
    """Return the event of a line; None for a line that a crash cut off."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "event" in event else None


def _same_base(run: Run, recipe: Recipe) -> bool:
    try:
        made = run.recipe()
        same = (made.base, made.train.method, made.train.compute)
        return same == (recipe.base, recipe.train.method, recipe.train.compute)
    except (ValueError, OSError):
        return False


def _clock(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
