"""Early stopping, augmentation and a mixture of two tasks, each against a run without it.

Writes docs/guides/training.md.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench.shared.clauses import FIRST, SECOND, Tuned, accuracy, change_figure, difference, part, rows_of, tune
from bench.shared.harness import ROOT, Figure, Figures
from kit.base import find_base
from kit.data.augmentation.augmenting import Method, augment
from kit.data.augmentation.rewording import by_table
from kit.data.mixture import Source, mix

PAGE = ROOT / "docs" / "guides" / "training.md"
_FEW, _TESTS, _VALIDATION = 96, 240, 48


def measure() -> Figures:
    """Return accuracy on the test clauses, and the paired difference to the run without the feature."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return {**_early_stopping(folder), **_augmentation(folder), **_mixture(folder)}


def _early_stopping(folder: Path) -> Figures:
    """Many epochs over few rows: stopped by validation loss, or trained to the end with the last step published."""
    few = part(FIRST, _FEW, _TESTS, _VALIDATION)
    parts, held, base = {"first": few}, rows_of(few.task, few.validation), find_base("nano")
    stop = {"on": "validation_loss", "patience": 2}
    stopped = tune(
        base, few.rows, parts, folder / "stopped", validation=held, early_stopping=stop, epochs=20, evaluations=20
    )
    whole = tune(base, few.rows, parts, folder / "whole", epochs=20)
    return {
        "early_stopping.without": {**_facts(whole), "accuracy": _accuracy(whole)},
        "early_stopping.with": {**_facts(stopped), "accuracy": _accuracy(stopped), **_change(whole, stopped)},
    }


def _augmentation(folder: Path) -> Figures:
    """Few rows, and the same rows with two table rewordings of each; equal steps in both."""
    few = part(FIRST, _FEW, _TESTS)
    table = Method("rules", {}, lambda example, copy: by_table(f"{example.id}/{copy}"))
    made = augment(few.task, few.train, table, copies=2).examples
    more = rows_of(few.task, [*few.train, *made])
    epochs = 6.0
    plain = tune(find_base("nano"), few.rows, {"first": few}, folder / "few", epochs=epochs)
    wide = tune(find_base("nano"), more, {"first": few}, folder / "more", epochs=epochs * len(few.rows) / len(more))
    return {
        "augmentation.without": {**_facts(plain), "rows": len(few.rows), "accuracy": _accuracy(plain)},
        "augmentation.with": {**_facts(wide), "rows": len(more), "accuracy": _accuracy(wide), **_change(plain, wide)},
    }


def _mixture(folder: Path) -> Figures:
    """A small task alone, and mixed with a large one at temperature 2; both read as many rows of the small one."""
    small, large = part(SECOND, _FEW, _TESTS), part(FIRST, 480, _TESTS)
    mixture = mix([Source("small", small.rows), Source("large", large.rows)], temperature=2.0)
    seen = mixture.shares()["small"] * mixture.epoch_rows
    alone = tune(find_base("nano"), small.rows, {"first": small}, folder / "alone", epochs=seen / len(small.rows))
    both = tune(find_base("nano"), mixture.rows, {"first": small}, folder / "both", mixture=mixture)
    return {
        "mixture.small_task_alone": {**_facts(alone), "rows": len(small.rows), "accuracy": _accuracy(alone)},
        "mixture.with_a_large_task": {
            **_facts(both), "rows": len(mixture.rows), "accuracy": _accuracy(both), **_change(alone, both),
        },
    }  # fmt: skip


def _facts(tuned: Tuned) -> Figure:
    return {"row_tokens": tuned.trained.tokens, "best_step": tuned.trained.step}


def _accuracy(tuned: Tuned) -> float:
    return round(accuracy(tuned.tests["first"]), 3)


def _change(before: Tuned, after: Tuned) -> Figure:
    return change_figure(difference(before.tests["first"], after.tests["first"]))
