"""Where a service keeps its ledger and its audit log."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = Path(".kit") / "service"
VARIABLE = "DOMAINKIT_STATE"


def state_folder(root: Path) -> Path:
    """Return the folder that the environment names, or the project's own."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else root / FOLDER


def usable_state(root: Path) -> Path | None:
    """Return the project's folder, which need not exist yet; None where the project cannot be written."""
    folder = root / FOLDER
    nearest = next(each for each in (folder, *folder.parents) if each.exists())
    return folder if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK) else None
