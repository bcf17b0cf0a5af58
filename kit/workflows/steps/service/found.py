"""Finds the bundles to serve: in a project's store by name, or in any folder by path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kit.bundle.attestation import Attestation, read_attestation
from kit.bundle.manifest import MANIFEST_FILE, manifest_digest
from kit.bundle.seal import SEAL_FILE, read_seal
from kit.bundle.store import LATEST, Bundle, Store
from kit.errors import InputError
from kit.project.project import Project
from serving.models.aliases import Followed

_DIGEST_LENGTH = 64


@dataclass(frozen=True)
class FoundBundle:
    """A bundle and its attestations."""

    bundle: Bundle
    attestations: tuple[Attestation, ...]


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
    if all(_is_bundle(ref) for ref in refs):
        return Found(project.absolute(), tuple(_opened(Path(ref), attestations) for ref in refs))
    _refuse_other_folders(refs)
    root = Project.find(project).root
    store = Store(root)

    def named(ref: str) -> FoundBundle:
        if _is_bundle(ref):
            return _opened(Path(ref), attestations)
        bundle = store.get(ref)
        return FoundBundle(bundle, tuple(store.attestations(bundle.digest)))

    found = tuple(named(ref) for ref in refs)
    return Found(root, found, _followed(store, refs, {each.bundle.digest for each in found}))


def _followed(store: Store, refs: Sequence[str], digests: set[str]) -> Followed:
    aliases = store.aliases()
    asked = [ref for ref in refs if ref in aliases]
    pointing = [name for name in aliases if name not in asked and store.history(name)[-1].digest in digests]
    return Followed(store.root, (*asked, *pointing), next(iter(asked), None))


def _is_bundle(ref: str) -> bool:
    return (Path(ref) / MANIFEST_FILE).is_file() and (Path(ref) / SEAL_FILE).is_file()


def _refuse_other_folders(refs: Sequence[str]) -> None:
    """Raise InputError for a path that is no bundle, instead of looking for a bundle of that name."""
    for ref in refs:
        if ("/" in ref or ref in (".", "..")) and not _is_bundle(ref):
            what = f"This folder is no bundle: it has no {MANIFEST_FILE} or no {SEAL_FILE}."
            raise InputError(what, ref, "Give the folder of a bundle, such as bundles/sha256/DIGEST.")


def _opened(folder: Path, attestations: str | Path | None) -> FoundBundle:
    """Open a bundle's folder. In a store the folder's name is the digest, and the files must have it."""
    folder = folder.absolute()
    digest = folder.name if len(folder.name) == _DIGEST_LENGTH else manifest_digest(folder)
    bundle = Bundle(digest, folder, read_seal(folder))
    place = Path(attestations) if attestations is not None else _attestations_of(folder, digest)
    if attestations is not None and not place.is_dir():
        raise InputError("There is no such folder.", f"--attestations {place}", "Give the folder with its JSON files.")
    found = (read_attestation(file, digest) for file in sorted(place.glob("*.json")))
    return FoundBundle(bundle, tuple(sorted(found, key=lambda each: each.sequence)))


def _attestations_of(folder: Path, digest: str) -> Path:
    """Return where a bundle's attestations are: in its store, or else in a folder beside it."""
    in_store = folder.parent.name == "sha256" and folder.parent.parent.name == "bundles"
    return (folder.parents[2] if in_store else folder.parent) / "attestations" / digest
