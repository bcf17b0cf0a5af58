"""What nano still knows of six kinds of clauses after it was tuned on six others: plainly, with replay, with EWC.

Writes docs/guides/forgetting.md and its plot.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from bench.shared.clauses import FIRST, SECOND, Part, Tuned, accuracy, difference, part, shown, tune
from bench.shared.commands import ROOT
from bench.shared.harness import Figures
from kit.base import Base, find_base
from kit.bundle.merge import merge_adapter
from kit.chat import TOKENIZER_FILES
from kit.data.mixture import Source, mix

PAGE = ROOT / "docs" / "guides" / "forgetting.md"
PLOT = ROOT / "docs" / "guides" / "forgetting.png"
SHARE = 0.2
STRENGTHS = (1e7, 1e8, 1e9)
"""Large, since the Fisher information is small: after the first kinds the base is sure of its answers to them."""
EQUAL = 0.02
"""How much less of the new kinds a strength may cost, on clauses that are neither trained on nor tested."""
_ROWS, _TESTS, _VALIDATION, _EPOCHS = 480, 240, 120, 2
_SEED = 2
_CHOOSES = "chooses"
_tune = partial(tune, epochs=_EPOCHS, seed=_SEED)


def measure() -> Figures:
    """Tune on the first kinds, then from there on the second ones in three ways; test both after each."""
    first, second = part(FIRST, _ROWS, _TESTS, seed=_SEED), part(SECOND, _ROWS, _TESTS, _VALIDATION, _SEED)
    parts = {"first": first, "second": second, _CHOOSES: replace(second, test=second.validation)}
    with tempfile.TemporaryDirectory() as folder:
        before = _tune(find_base("nano"), first.rows, parts, Path(folder) / "first")
        base = _merged(before, first, Path(folder))
        plain, replay = _plain(base, parts, Path(folder)), _replay(base, parts, Path(folder))
        tied = {strength: _ewc(base, parts, strength, Path(folder)) for strength in STRENGTHS}
    chosen = _chosen(plain, tied)
    ways = {"plain": plain, "replay": replay, "ewc": tied[chosen]}
    _plot({"after the first": before, **ways})
    others = {f"ewc at {strength:g}": tuned for strength, tuned in tied.items() if strength != chosen}
    return _figures(before, ways, others, chosen)


def _chosen(plain: Tuned, tied: Mapping[float, Tuned]) -> float:
    """The largest strength that costs the new kinds next to nothing, or the smallest of all."""
    least = accuracy(plain.tests[_CHOOSES]) - EQUAL
    good = [strength for strength, tuned in tied.items() if accuracy(tuned.tests[_CHOOSES]) >= least]
    return max(good, default=min(tied))


def _merged(tuned: Tuned, first: Part, folder: Path) -> Base:
    """Return what was tuned as the next base: the form in which a bundle ships it."""
    nano, target = find_base("nano"), folder / "merged"
    merge_adapter(nano, tuned.trained.adapter, "float32", [row.ids for row in first.rows[:2]], target)
    for name in (*TOKENIZER_FILES, "generation_config.json"):
        if (nano.folder / name).is_file():
            shutil.copyfile(nano.folder / name, target / name)
    return find_base(str(target))


def _plain(base: Base, parts: Mapping[str, Part], folder: Path) -> Tuned:
    return _tune(base, parts["second"].rows, parts, folder / "plain")


def _replay(base: Base, parts: Mapping[str, Part], folder: Path) -> Tuned:
    """The same rows, and those of the first kinds up to their share."""
    mixture = mix([Source("second", parts["second"].rows)], replay=Source("first", parts["first"].rows), share=SHARE)
    return _tune(base, mixture.rows, parts, folder / "replay", mixture=mixture)


def _ewc(base: Base, parts: Mapping[str, Part], strength: float, folder: Path) -> Tuned:
    """The same rows and steps, tied to what the first kinds need."""
    ewc = {"data": "the first kinds", "strength": strength, "rows": _ROWS}
    old, new = parts["first"].rows, parts["second"].rows
    return _tune(base, new, parts, folder / f"ewc-{strength:g}", reference=old, ewc=ewc)


def _figures(before: Tuned, ways: Mapping[str, Tuned], others: Mapping[str, Tuned], chosen: float) -> Figures:
    start = accuracy(before.tests["first"])
    lost = start - accuracy(ways["plain"].tests["first"])
    figures: dict[str, dict[str, float | int | str]] = {"after_first": _scores(before)}
    for name, tuned in {**ways, **others}.items():
        drop = start - accuracy(tuned.tests["first"])
        over = round(drop / lost, 3) if lost > 0 else "not measured"
        figures[name] = {**_scores(tuned), "drop": round(drop, 3), "drop_over_plain": over}
    figures["ewc"]["strength"] = chosen
    plain = ways["plain"].tests
    for name in ("replay", "ewc"):
        for kinds in ("first", "second"):
            figures[f"{name}_less_plain.{kinds}"] = shown(difference(plain[kinds], ways[name].tests[kinds]))
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
