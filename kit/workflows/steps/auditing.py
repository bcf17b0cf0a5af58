"""Finds the audit log, and records what commands do to a project's aliases."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from kit.project.project import Project
from kit.workflows.steps.service.state import VARIABLE, state_folder
from serving.ledger.audit import record


def folder_of(project: Path, state: str | Path | None) -> Path:
    """Return the folder of the log: the one that is named, that of the environment, or the project's."""
    if state is not None:
        return Path(state)
    return Path(named) if (named := os.environ.get(VARIABLE)) else state_folder(Project.find(project).root)


def did(root: Path, event: str, **facts: Any) -> None:
    """Record what a command is about to do. Raises KitError if it cannot be recorded; then it must not be done."""
    record(state_folder(root), event, **facts)
