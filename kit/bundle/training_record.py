"""A bundle's record of its training examples: it recognises an example without storing its text.

The keys are hashes: anyone who has a text can test whether it was trained on. That is their purpose.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from kit.bundle.manifest import BUILD_AGAIN, Entry
from kit.errors import Refused
from kit.recipe import Section

TRAINED_FILE = "trained.json"


class TrainedTask(Section):
    """For one task: sorted keys of the requests and groups that were trained on or chose the checkpoint.

    `labels` counts the examples that give each label.
    """

    requests: list[str]
    groups: list[str]
    labels: dict[str, int]


class TrainedRecord(Section):
    """The record of every task by its name."""

    version: Literal[1] = 1
    tasks: dict[str, TrainedTask]


def examples_digest(entries: Sequence[Entry]) -> str:
    """The digest of the record in a manifest; empty if there is none."""
    return next((entry.sha256 for entry in entries if entry.path == TRAINED_FILE), "")


def write_trained(folder: Path, record: TrainedRecord | None) -> None:
    """Write the record, if there is one, into a staged bundle."""
    if record is not None:
        (folder / TRAINED_FILE).write_text(record.model_dump_json() + "\n", encoding="utf-8")


def read_trained(folder: Path) -> TrainedRecord | None:
    """Return a bundle's record; None if an earlier kit built it without one. Raises Refused if it cannot be read."""
    file = folder / TRAINED_FILE
    try:
        return TrainedRecord.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise Refused(f"The record of the training examples cannot be read: {error}", str(file), BUILD_AGAIN) from None
