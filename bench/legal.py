"""The legal template's own held-out documents, with its smoke profile. Writes the template's README too."""

from __future__ import annotations

from bench.commands import ROOT, cpu_minutes, evaluation_figures, kit, project, training_figures
from bench.harness import Figures
from kit.errors import Exit


def measure() -> Figures:
    """Train and evaluate through the commands that a user types."""
    with project("legal") as folder:
        with cpu_minutes() as spent:
            trained = kit(folder, "train", "--profile", "smoke")
        page = str(ROOT / "templates" / "legal" / "README.md")
        payload = kit(folder, "eval", "--page", page, allowed=(Exit.OK, Exit.UNMEASURED, Exit.GATE_FAILED))
    return {**evaluation_figures(payload), **training_figures(trained, spent)}
