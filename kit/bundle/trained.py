"""What a bundle keeps of the examples that made it: enough to know one again, and not its words.

The keys are hashes: who has a text can find out whether it was trained on, which is what they are for.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from kit.bundle.manifest import Entry
from kit.errors import Refused
from kit.recipe import Section

TRAINED_FILE = "trained.json"


class TrainedTask(Section):
    """Of one task: sorted keys of the requests and groups that were trained on or chose the checkpoint.

    `labels` counts the examples that give each label.
    """

    requests: list[str]
    groups: list[str]
    labels: dict[str, int]


class TrainedRecord(Section):
    """What the examples of every task leave, by the task's name."""

    version: Literal[1] = 1
    tasks: dict[str, TrainedTask]


def examples_digest(entries: Sequence[Entry]) -> str:
    """The digest of the record among a manifest's entries; empty where there is none."""
    return next((entry.sha256 for entry in entries if entry.path == TRAINED_FILE), "")


def write_trained(folder: Path, record: TrainedRecord | None) -> None:
    """Write the record into a staged bundle; nothing where there is none."""
    if record is not None:
        (folder / TRAINED_FILE).write_text(record.model_dump_json() + "\n", encoding="utf-8")


def read_trained(folder: Path) -> TrainedRecord | None:
    """Return a bundle's record; None where the kit that built it kept none. Raises Refused where it is none."""
    file = folder / TRAINED_FILE
    try:
        return TrainedRecord.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise Refused(
            f"What was trained on cannot be read: {error}", str(file), "Build it again with: kit train"
        ) from None
