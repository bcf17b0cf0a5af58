"""Split data: move whole groups of examples between a project's files for training, validation and test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kit.workflows.events import Report, ignore


@dataclass(frozen=True)
class SplitFile:
    """One data file after the split."""

    part: str
    """ "train", "validation" or "test"."""
    path: Path
    examples: int
    groups: int
    labels: Mapping[str, int]
    """Number of examples of each label; empty for a task without labels."""
    content: bytes = field(repr=False)
    """The whole file."""


@dataclass(frozen=True)
class Move:
    """Groups that move from one file to another."""

    source: Path
    target: Path
    groups: tuple[str, ...]
    examples: int


@dataclass(frozen=True)
class Split:
    """What a split moves, and what each file holds afterwards."""

    files: tuple[SplitFile, ...]
    moves: tuple[Move, ...]
    dropped: int
    """Number of examples that are dropped, because their file is replaced or they were in two files."""


def split_data(
    project: str | Path = ".",
    *,
    validation: float | None = None,
    test: float = 0.2,
    files: Sequence[str | Path] = (),
    task: str | None = None,
    replace: bool = False,
    report: Report = ignore,
) -> Split:
    """Move whole groups between the project's data files, so that the shares hold; return what moved.

    `validation` and `test` are shares of the groups, from 0 up to below 1; `validation` is 0.1 where the recipe names
    a validation file, and 0 where it does not. Groups in the validation and test files stay there. `files` are the
    files to split instead of the project's own: all of their groups may move. `replace` drops what the project's other
    files hold. Raises InputError with all problems at once; then nothing is written.
    """
    from kit.workflows.steps.splitting import write_split

    plan = plan_split_data(
        project, validation=validation, test=test, files=files, task=task, replace=replace, report=report
    )
    write_split(plan)
    return plan


def plan_split_data(
    project: str | Path = ".",
    *,
    validation: float | None = None,
    test: float = 0.2,
    files: Sequence[str | Path] = (),
    task: str | None = None,
    replace: bool = False,
    report: Report = ignore,
) -> Split:
    """Return what `split_data` would do, and write nothing. Raises as it does."""
    from kit.workflows.steps.splitting import Shares, plan_split

    return plan_split(Path(project), Shares(validation, test), [Path(file) for file in files], task, replace, report)
