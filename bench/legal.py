"""The legal template's own held-out documents, with its smoke profile. Writes its page and the front page too."""

from __future__ import annotations

from bench.shared.commands import ROOT, cpu_minutes, evaluation_figures, kit, project, training_figures
from bench.shared.harness import Figures
from kit.errors import Exit
from kit.evals.figures import read_figures, write_figures


def measure() -> Figures:
    """Train and evaluate through the commands that a user types."""
    with project("legal") as folder:
        with cpu_minutes() as spent:
            trained = kit(folder, "train", "--profile", "smoke")
        page = ROOT / "templates" / "legal" / "README.md"
        payload = kit(folder, "eval", "--page", str(page), allowed=(Exit.OK, Exit.UNMEASURED, Exit.GATE_FAILED))
    write_figures(ROOT / "README.md", "legal", read_figures(page, "legal"))
    return {**evaluation_figures(payload), **training_figures(trained, spent)}
