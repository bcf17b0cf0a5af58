"""Brings a project to its template's newer version: a three-way merge from the texts that the project was made of.

`.kit/origin/` has the template's files as they were when the project was made, or last brought up to date. What only
the template changed is taken over; what only the user changed stays; what both changed is merged by `git merge-file`,
with conflict markers where both changed the same lines.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kit import __version__
from kit.errors import InputError
from kit.project.template import ORIGIN, Template, copy_texts, find_template, texts_of
from kit.system.files import write_atomically

Kind = Literal["added", "updated", "merged", "conflict", "removed", "kept", "deleted"]
"""`kept`: the template no longer has the file, and you changed it. `deleted`: you deleted what the template changed."""
_MARKER = b"<<<<<<< yours"
_OLD = "origin.old"
_MOST_CONFLICTS = 127  # git merge-file exits with the number of conflicts, at most this; more is an error


@dataclass(frozen=True)
class FileChange:
    """What happens to one file. `content` is what it will hold; None: it is removed, or stays as it is."""

    path: str
    kind: Kind
    content: bytes | None = None


@dataclass(frozen=True)
class Update:
    """The update of a project, planned and not yet made."""

    root: Path
    template: Template
    version: str
    changes: Sequence[FileChange]

    def make(self) -> None:
        """Write the files, then the new origin. After an interrupt, make the same update again."""
        for change in self.changes:
            file = self.root / change.path
            if change.kind == "removed":
                file.unlink(missing_ok=True)
            elif change.content is not None:
                file.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(file, change.content)
        self._replace_origin()
        origin = {"template": self.template.name, "version": __version__}
        write_atomically(self.root / ORIGIN.with_suffix(".json"), json.dumps(origin) + "\n")

    def _replace_origin(self) -> None:
        """Put the template's texts in the place of the old ones; at every moment one of both is whole on disk."""
        origin = self.root / ORIGIN
        fresh, old = origin.with_name("origin.new"), origin.with_name(_OLD)
        for leftover in (fresh, old):
            shutil.rmtree(leftover, ignore_errors=True)
        copy_texts(self.template, fresh)
        origin.rename(old)
        fresh.rename(origin)
        shutil.rmtree(old)


def plan_update(root: Path) -> Update:
    """Compare a project, its origin and its template. Writes nothing.

    Raises InputError if the project has no origin, if its template is gone, and if a file still has conflict markers.
    """
    name, version = _origin_of(root)
    template = find_template(name)
    old, new = texts_of(root / ORIGIN), texts_of(template.folder)
    changes = list(_changes(root, old, new))
    return Update(root, template, version, changes)


def _origin_of(root: Path) -> tuple[str, str]:
    file = root / ORIGIN.with_suffix(".json")
    try:
        origin = json.loads(file.read_text(encoding="utf-8"))
        name, version = str(origin["template"]), str(origin["version"])
    except (OSError, ValueError, KeyError, TypeError):
        what = "This project does not say which template it was made from, so it cannot be updated."
        raise InputError(what, str(file), "Make a new project with `kit new`, and copy your files into it.") from None
    before = (root / ORIGIN).with_name(_OLD)
    if before.is_dir() and not (root / ORIGIN).is_dir():  # an update was interrupted between two renames
        before.rename(root / ORIGIN)
    if not (root / ORIGIN).is_dir():
        raise InputError("The texts that the project was made of are missing.", str(root / ORIGIN))
    return name, version


def _changes(root: Path, old: dict[str, bytes], new: dict[str, bytes]) -> Iterator[FileChange]:
    for path in sorted({*old, *new}):
        file = root / path
        mine = file.read_bytes() if file.is_file() else None
        change = _change(path, mine, old.get(path), new.get(path))
        if change is not None:
            if mine is not None and _MARKER in mine:
                advice = "Resolve the conflict, remove the markers, then update again."
                raise InputError("The file still has conflict markers.", str(file), advice)
            yield change


def _change(path: str, mine: bytes | None, old: bytes | None, new: bytes | None) -> FileChange | None:
    """Return what happens to a file, given the user's text, the origin's and the template's; None: nothing."""
    if new == old or mine == new:
        return None
    if mine is None:
        return FileChange(path, "added", new) if old is None else FileChange(path, "deleted")
    if new is None:
        return FileChange(path, "removed" if mine == old else "kept")
    if mine == old:
        return FileChange(path, "updated", new)
    merged, conflicts = _merged(path, mine, old or b"", new)
    return FileChange(path, "conflict" if conflicts else "merged", merged)


def _merged(path: str, mine: bytes, old: bytes, new: bytes) -> tuple[bytes, int]:
    """Merge three texts; return the result, with markers, and the number of conflicts. Raises InputError."""
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for name, text in (("yours", mine), ("before", old), ("template", new)):
            files.append(Path(folder) / name)
            files[-1].write_bytes(text)
        labels = ["-L", "yours", "-L", "before", "-L", f"template of domainkit {__version__}"]
        try:
            done = subprocess.run(
                ["git", "merge-file", "-p", *labels, *map(str, files)], capture_output=True, check=False
            )
        except FileNotFoundError:
            raise InputError("Merging needs git, which is not installed.", path, "Install git.") from None
    if not 0 <= done.returncode <= _MOST_CONFLICTS:
        what = f"The file cannot be merged: {done.stderr.decode(errors='replace').strip()}"
        raise InputError(what, path, "Move it away, update, and merge it by hand.")
    return done.stdout, done.returncode
