"""Public contracts: nano trained on 300 contracts of CUAD, all others scored. Writes the legal template's README too.

Reads the set from the folder `legal/cuad` in DOMAINKIT_DATA.
"""

from __future__ import annotations

import os
from pathlib import Path

from bench.shared.commands import ROOT, cpu_minutes, evaluated, evaluation_figures, kit, project, training_figures
from bench.shared.harness import Figures
from kit.errors import Unmeasured


def measure() -> Figures:
    """Import and train with the commands that a user types, and evaluate."""
    data = Path(os.environ.get("DOMAINKIT_DATA", "")) / "legal" / "cuad"
    if not (data / "contracts.jsonl").is_file():
        raise Unmeasured("CUAD is not here.", str(data), "Set DOMAINKIT_DATA to a folder that holds legal/cuad.")
    with project("legal") as folder:
        kit(folder, "data", "import", "cuad", str(data), "--groups", "300")
        with cpu_minutes() as spent:
            trained = kit(folder, "train", "--profile", "cuad")
        payload = evaluated(folder, ROOT / "templates" / "legal" / "README.md", "legal-cuad")
    return {**evaluation_figures(payload), **training_figures(trained, spent)}
