"""The inputs from which a bundle is built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from kit.base import Base
from kit.bundle.training_record import TrainedRecord
from kit.recipe import Recipe
from kit.task import Message


@dataclass(frozen=True)
class BuildPlan:
    """The inputs of a bundle.

    `adapter` is a folder in peft's format; `project` holds the task's files; `rows` are token ids of validation rows,
    from which fingerprints are chosen; `dialogues` become golden renders; `trained` has facts of the run for the card.
    `record` recognises the examples later; `requests` has one request per task name, which the bundle must answer
    before it is published.
    """

    recipe: Recipe
    base: Base
    adapter: Path
    project: Path
    rows: Sequence[tuple[int, ...]]
    dialogues: Sequence[Sequence[Message]]
    data_digest: str
    trained: Mapping[str, Any]
    record: TrainedRecord | None = None
    requests: Mapping[str, BaseModel] = field(default_factory=dict)
