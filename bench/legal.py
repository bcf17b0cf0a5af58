"""The legal template's own held-out documents, with its smoke profile. Writes its page and the front page too."""

from __future__ import annotations

from bench.shared.commands import ROOT, cpu_minutes, evaluated, evaluation_figures, kit, project, training_figures
from bench.shared.harness import Figures
from kit.evals.figures import read_figures, write_figures


def measure() -> Figures:
    """Train with the command that a user types, and evaluate."""
    with project("legal") as folder:
        with cpu_minutes() as spent:
            trained = kit(folder, "train", "--profile", "smoke")
        page = ROOT / "templates" / "legal" / "README.md"
        payload = evaluated(folder, page)
    write_figures(ROOT / "README.md", "legal", read_figures(page, "legal"))
    return {**evaluation_figures(payload), **training_figures(trained, spent)}
