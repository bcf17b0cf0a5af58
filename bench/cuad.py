"""Public contracts: train nano on 300 contracts of CUAD, score all others. Writes the legal template's second page.

Reads the folder `legal/cuad` in DOMAINKIT_DATA.
"""

from __future__ import annotations

from bench.shared.commands import project, train_and_evaluate
from bench.shared.harness import ROOT, Figures
from bench.shared.requirements import public_sets
from kit.workflows import import_set


def measure() -> Figures:
    """Import, train and evaluate."""
    data = public_sets() / "legal" / "cuad"
    page = ROOT / "templates" / "legal" / "DETAILS.md"
    with project("legal") as folder:
        import_set(folder, name="cuad", path=data, groups=300)
        return train_and_evaluate(folder, "cuad", page, "legal-cuad")
