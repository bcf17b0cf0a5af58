"""The result of a search, as text and as data, and the best recipe as a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from kit.errors import KitError
from kit.metrics.intervals import Change
from kit.search.space import with_values
from kit.search.study import Study, result_of
from kit.system.files import write_atomically

BEST_FILE = "recipe.best.yaml"
SearchOutcome = Literal["better", "worse", "cannot tell", "the default"]


@dataclass(frozen=True)
class Tried:
    """A trial that ended: its worker, outcome, values, and the metric of the search; None if it was not reached."""

    number: int
    worker: int
    outcome: str
    values: Mapping[str, Any]
    value: float | None
    reason: str = ""


@dataclass(frozen=True)
class SearchReport:
    """A finished search. `change` is best minus default on the test examples, paired; None without a comparison."""

    metric: str
    tried: tuple[Tried, ...]
    best: Tried
    default: Tried | None
    importance: Mapping[str, float] | None
    outcome: SearchOutcome
    change: Change | None
    recipe: Path

    def verdict(self) -> str:
        """Say in a sentence whether the best beats the recipe's own values."""
        if self.outcome == "the default":
            return "No trial was better than the recipe's own values."
        if self.change is None:
            return (
                "It is unknown whether it beats the recipe's own values: they were not measured on the same examples."
            )
        low_high = self.change.interval
        interval = f", 95 % interval {low_high.low:+.3f} to {low_high.high:+.3f}" if low_high else ""
        words = {
            "better": "It beats the recipe's own values",
            "worse": "It is worse than the recipe's own values",
            "cannot tell": "It is unknown whether it beats the recipe's own values",
        }
        needed = f"; about {self.change.needed} examples are needed to know" if self.change.needed else ""
        return f"{words[self.outcome]} on the test examples: {self.change.difference:+.3f}{interval}{needed}."


def best_and_default(study: Study) -> tuple[Tried, Tried | None]:
    """Return the best trial, and the trial of the recipe's own values, or None if that one failed.

    Raises KitError if no trial was completed.
    """
    if study.best is None:
        reasons = [made.reason for made in tried(study) if made.reason]
        raise KitError(f"None of {len(study.trials)} trials was completed.", str(study.folder), " ".join(reasons[:1]))
    default = study.default
    found = {made.number: made for made in tried(study)}
    return found[study.best.number], found[default.number] if default else None


def tried(study: Study) -> tuple[Tried, ...]:
    """Return every trial that ended."""
    return tuple(
        Tried(
            made.number,
            made.user_attrs.get("worker", 0),
            "broke" if made.state.name == "FAIL" else made.state.name.lower(),
            made.params,
            made.value if made.state.name == "COMPLETE" else None,
            made.user_attrs.get("reason", ""),
        )
        for made in study.trials
    )


def write_report(study: Study, metric: str, change: Change | None) -> SearchReport:
    """Write the best recipe as a file, and return the report."""
    best, default = best_and_default(study)
    same = default is not None and best.number == default.number
    outcome: SearchOutcome = "the default" if same else change.verdict if change else "cannot tell"
    file = study.folder / BEST_FILE
    report = SearchReport(metric, tried(study), best, default, study.importance(), outcome, change, file)
    recipe = with_values(study.recipe, best.values)
    said = [
        f"# {line}\n" for line in (f"Made by kit search: trial {best.number}, {metric} {best.value}.", report.verdict())
    ]
    settings = yaml.safe_dump(recipe.model_dump(mode="json", exclude_unset=False), sort_keys=False, allow_unicode=True)
    write_atomically(file, "".join(said) + settings)
    return report


def adapter_of(study: Study, made: Tried) -> Path:
    """Return the adapter folder of a complete trial."""
    trial = next(trial for trial in study.trials if trial.number == made.number)
    return Path(result_of(trial).adapter)
