"""What nano still knows of six kinds of clauses after it was tuned on six others: plainly, with replay, with EWC.

Writes docs/continual.md and its plot.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from bench.clauses import FIRST, SECOND, Part, Tuned, accuracy, difference, part, shown, tune
from bench.commands import ROOT
from bench.harness import Figures
from kit.base import Base, find_base
from kit.bundle.merge import merge_adapter
from kit.chat import TOKENIZER_FILES
from kit.train.continual import reference_rows
from kit.train.mixture import Source, mix

PAGE = ROOT / "docs" / "continual.md"
PLOT = ROOT / "docs" / "continual.png"
SHARE = 0.2
STRENGTH = 3000.0
_REFERENCE = 128
_ROWS, _TESTS = 480, 240
_EPOCHS = 1
_SEED = 1
"""Of the clauses and of training; the strength was chosen among 1,000, 3,000 and 100,000 with the seed 0."""


def measure() -> Figures:
    """Tune on the first kinds, then from there on the second ones in three ways; test both after each."""
    parts = {"first": part(FIRST, _ROWS, _TESTS, seed=_SEED), "second": part(SECOND, _ROWS, _TESTS, seed=_SEED)}
    with tempfile.TemporaryDirectory() as folder:
        before = tune(find_base("nano"), parts["first"].rows, parts, Path(folder) / "first", seed=_SEED)
        base = _merged(before, parts["first"], Path(folder))
        ways = _ways(base, parts, Path(folder))
    _plot({"after the first": before, **ways})
    return _figures(before, ways)


def _merged(tuned: Tuned, first: Part, folder: Path) -> Base:
    """Return what was tuned as the next base: the form in which a bundle ships it."""
    nano, target = find_base("nano"), folder / "merged"
    merge_adapter(nano, tuned.trained.adapter, "float32", [row.ids for row in first.rows[:2]], target)
    for name in (*TOKENIZER_FILES, "generation_config.json"):
        if (nano.folder / name).is_file():
            shutil.copyfile(nano.folder / name, target / name)
    return find_base(str(target))


def _ways(base: Base, parts: Mapping[str, Part], folder: Path) -> dict[str, Tuned]:
    """The same rows of the second kinds, steps and learning rate; replay adds its rows to them."""
    old, new = parts["first"].rows, parts["second"].rows
    mixture = mix([Source("second", new)], replay=Source("replay", old), share=SHARE)
    ewc = {"data": "the first kinds", "strength": STRENGTH, "rows": _REFERENCE}
    return {
        "plain": tune(base, new, parts, folder / "plain", epochs=_EPOCHS, seed=_SEED),
        "replay": tune(base, mixture.rows, parts, folder / "replay", mixture=mixture, epochs=_EPOCHS, seed=_SEED),
        "ewc": tune(
            base,
            new,
            parts,
            folder / "ewc",
            reference=reference_rows(old, _REFERENCE),
            ewc=ewc,
            epochs=_EPOCHS,
            seed=_SEED,
        ),
    }


def _figures(before: Tuned, ways: Mapping[str, Tuned]) -> Figures:
    start = accuracy(before.tests["first"])
    figures: dict[str, dict[str, float | int | str]] = {"after_first": _scores(before)}
    lost = start - accuracy(ways["plain"].tests["first"])
    for name, tuned in ways.items():
        drop = start - accuracy(tuned.tests["first"])
        figures[name] = {
            **_scores(tuned),
            "drop": round(drop, 3),
            "drop_over_plain": round(drop / lost, 3) if lost else "not measured",
        }
        if name != "plain":
            figures[f"{name}_less_plain.first"] = shown(difference(ways["plain"].tests["first"], tuned.tests["first"]))
            figures[f"{name}_less_plain.second"] = shown(
                difference(ways["plain"].tests["second"], tuned.tests["second"])
            )
    return figures


def _scores(tuned: Tuned) -> dict[str, float | int | str]:
    return {name: round(accuracy(found), 3) for name, found in tuned.tests.items()}


def _plot(runs: Mapping[str, Tuned]) -> None:
    """Draw both accuracies of every run side by side."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 3.2), layout="constrained")
    for offset, (name, colour) in enumerate((("first", "#33658a"), ("second", "#f6ae2d"))):
        places = [index + (offset - 0.5) * 0.38 for index in range(len(runs))]
        heights = [accuracy(tuned.tests[name]) for tuned in runs.values()]
        bars = axes.bar(places, heights, 0.36, label=f"{name} six kinds", color=colour)
        axes.bar_label(bars, fmt="%.2f", fontsize=8)
    axes.set_xticks(range(len(runs)), list(runs))
    axes.set_ylim(0, 1.08)
    axes.set_ylabel("accuracy")
    figure.legend(loc="outside upper center", ncols=2, fontsize=8)
    figure.savefig(PLOT, dpi=120, metadata={"Software": None})
    pyplot.close(figure)
