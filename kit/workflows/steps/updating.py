"""Plans and makes the update of a project."""

from __future__ import annotations

from pathlib import Path

from kit import __version__
from kit.project.project import Project
from kit.project.update import Kind, Update, plan_update
from kit.workflows.updating import UpdateResult


def planned(project: Path) -> UpdateResult:
    """Return what an update would change."""
    return _result(plan_update(Project.find(project).root))


def updated(project: Path) -> UpdateResult:
    """Make the update, and return what it changed."""
    update = plan_update(Project.find(project).root)
    result = _result(update)
    update.make()
    return result


def _result(update: Update) -> UpdateResult:
    def of(kind: Kind) -> tuple[str, ...]:
        return tuple(change.path for change in update.changes if change.kind == kind)

    return UpdateResult(
        template=update.template.name,
        before=update.version,
        after=__version__,
        added=of("added"),
        updated=of("updated"),
        merged=of("merged"),
        conflicts=of("conflict"),
        removed=of("removed"),
        kept=of("kept"),
        deleted=of("deleted"),
    )
