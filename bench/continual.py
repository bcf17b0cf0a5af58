"""How much nano forgets of six kinds of clauses when it is tuned on six others: plainly, with replay, with EWC.

Writes docs/guides/forgetting.md and its plot.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from bench.shared.clauses import FIRST, SECOND, Part, Tuned, accuracy, change_figure, difference, part, tune
from bench.shared.harness import ROOT, Figure, Figures
from kit.base import Base, find_base
from kit.bundle.merge import merge_adapter
from kit.chat import TOKENIZER_FILES
from kit.data.mixture import Source, mix

PAGE = ROOT / "docs" / "guides" / "forgetting.md"
PLOT = ROOT / "docs" / "guides" / "forgetting.png"
SHARE = 0.2
STRENGTHS = (1e7, 1e8, 1e9)
"""Large, because the Fisher information is small: after the first kinds the base is certain of their answers."""
EQUAL = 0.02
"""The accuracy on the new kinds that a strength may cost, on clauses used for neither training nor testing."""
_ROWS, _TESTS, _VALIDATION, _EPOCHS = 480, 240, 120, 2
_SEED = 2
_CHOOSES = "chooses"
_tune = partial(tune, epochs=_EPOCHS, seed=_SEED)


def measure() -> Figures:
    """Tune on the first kinds, then on the second kinds in three ways. Test both after each run."""
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
    """Return the largest strength that costs the new kinds at most `EQUAL`, or the smallest strength of all."""
    least = accuracy(plain.tests[_CHOOSES]) - EQUAL
    good = [strength for strength, tuned in tied.items() if accuracy(tuned.tests[_CHOOSES]) >= least]
    return max(good, default=min(tied))


def _merged(tuned: Tuned, first: Part, folder: Path) -> Base:
    """Merge the tuned adapter into a new base, in the form that a merged bundle has."""
    nano, target = find_base("nano"), folder / "merged"
    merge_adapter(nano, tuned.trained.adapter, "float32", [row.ids for row in first.rows[:2]], target)
    for name in (*TOKENIZER_FILES, "generation_config.json"):
        if (nano.folder / name).is_file():
            shutil.copyfile(nano.folder / name, target / name)
    return find_base(str(target))


def _plain(base: Base, parts: Mapping[str, Part], folder: Path) -> Tuned:
    return _tune(base, parts["second"].rows, parts, folder / "plain")


def _replay(base: Base, parts: Mapping[str, Part], folder: Path) -> Tuned:
    """Train on the same rows, mixed with rows of the first kinds up to `SHARE`."""
    mixture = mix([Source("second", parts["second"].rows)], replay=Source("first", parts["first"].rows), share=SHARE)
    return _tune(base, mixture.rows, parts, folder / "replay", mixture=mixture)


def _ewc(base: Base, parts: Mapping[str, Part], strength: float, folder: Path) -> Tuned:
    """Train on the same rows and steps, with a penalty on changes that the first kinds are sensitive to."""
    ewc = {"data": "the first kinds", "strength": strength, "rows": _ROWS}
    old, new = parts["first"].rows, parts["second"].rows
    return _tune(base, new, parts, folder / f"ewc-{strength:g}", reference=old, ewc=ewc)


def _figures(before: Tuned, ways: Mapping[str, Tuned], others: Mapping[str, Tuned], chosen: float) -> Figures:
    start = accuracy(before.tests["first"])
    lost = start - accuracy(ways["plain"].tests["first"])
    figures: dict[str, Figure] = {"after_first": _scores(before)}
    for name, tuned in {**ways, **others}.items():
        drop = start - accuracy(tuned.tests["first"])
        over = round(drop / lost, 3) if lost > 0 else "not measured"
        figures[name] = {**_scores(tuned), "drop": round(drop, 3), "drop_over_plain": over}
    figures["ewc"]["strength"] = chosen
    plain = ways["plain"].tests
    for name in ("replay", "ewc"):
        for kinds in ("first", "second"):
            figures[f"{name}_less_plain.{kinds}"] = change_figure(difference(plain[kinds], ways[name].tests[kinds]))
    return figures


def _scores(tuned: Tuned) -> Figure:
    return {name: round(accuracy(found), 3) for name, found in tuned.tests.items()}


def _plot(runs: Mapping[str, Tuned]) -> None:
    """Draw both accuracies of every run."""
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
