"""The legal template's own held-out documents with its smoke profile. Also writes its page and the README."""

from __future__ import annotations

from bench.shared.commands import project, train_and_evaluate
from bench.shared.harness import ROOT, Figures
from kit.evals.figures import read_figures, write_figures


def measure() -> Figures:
    """Train and evaluate, and write the table into both pages."""
    page = ROOT / "templates" / "legal" / "README.md"
    with project("legal") as folder:
        figures = train_and_evaluate(folder, "smoke", page)
    write_figures(ROOT / "README.md", "legal", read_figures(page, "legal"))
    return figures
