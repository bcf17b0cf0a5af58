"""Finds the bundles to serve, and the aliases that a service follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kit.bundle.store import LATEST, Store
from kit.project.project import Project
from kit.workflows.steps.bundles import FoundBundle, in_store, is_bundle, opened, refuse_other_folders
from serving.models.aliases import Followed


@dataclass(frozen=True)
class Found:
    """The bundles, and the folder where relative paths of their bases start: the project, or the current folder.

    `followed` has the project's aliases that were named, then the others that point at one of the bundles.
    """

    root: Path
    bundles: tuple[FoundBundle, ...]
    followed: Followed | None = None

    @property
    def data_root(self) -> Path | None:
        """The project whose data belongs to the bundles; None for bundles that were named by their folders."""
        return None if self.followed is None else self.root


def find(project: Path, refs: Sequence[str], attestations: str | Path | None = None) -> Found:
    """Return the bundles that are named; the newest of the project if none is.

    A name that is a folder of a bundle needs no project. `attestations` is the folder with its attestations, if it is
    not where a store has it. Raises InputError if a bundle is not found.
    """
    refs = refs or [LATEST]
    if all(is_bundle(ref) for ref in refs):
        return Found(project.absolute(), tuple(opened(Path(ref), attestations) for ref in refs))
    refuse_other_folders(refs)
    root = Project.find(project).root
    store = Store(root)
    found = tuple(opened(Path(ref), attestations) if is_bundle(ref) else in_store(store, ref) for ref in refs)
    return Found(root, found, _followed(store, refs, {each.bundle.digest for each in found}))


def _followed(store: Store, refs: Sequence[str], digests: set[str]) -> Followed:
    aliases = store.aliases()
    asked = [ref for ref in refs if ref in aliases]
    pointing = [name for name in aliases if name not in asked and store.history(name)[-1].digest in digests]
    return Followed(store.root, (*asked, *pointing), next(iter(asked), None))
