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
    """Return the project's folder, made if it is not there; None where the project cannot be written."""
    folder = root / FOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None
