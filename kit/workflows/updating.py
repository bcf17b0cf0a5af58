"""Bring a project to its template's newer version."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class UpdateResult:
    """What an update changes, or would change: the files of a project by what happens to them.

    `added`, `updated` and `removed` follow the template; `merged` have the changes of both; `conflicts` have markers
    where both changed the same lines; `kept` are yours, though the template no longer has them; `deleted` stay deleted,
    though the template changed them. `before` and `after` are versions of the kit.
    """

    template: str
    before: str
    after: str
    added: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    merged: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()

    @property
    def changes_nothing(self) -> bool:
        """Whether the project has all of the template already."""
        return not any((self.added, self.updated, self.merged, self.conflicts, self.removed))


def plan_update(project: str | Path = ".") -> UpdateResult:
    """Return what `update` would change; nothing is written. Raises InputError as `update` does."""
    from kit.workflows.steps.updating import planned

    return planned(Path(project))


def update(project: str | Path = ".") -> UpdateResult:
    """Merge the template's newer version into a project: what only the template changed is taken over.

    Raises InputError if the project does not know its template, if a file still has conflict markers, or if texts
    must be merged and git is not installed.
    """
    from kit.workflows.steps.updating import updated

    return updated(Path(project))
