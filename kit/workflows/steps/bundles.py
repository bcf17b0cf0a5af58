"""Finds bundles: in a project's store by name, or in any folder by path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kit.bundle.attestation import Attestation, read_attestation
from kit.bundle.manifest import MANIFEST_FILE, manifest_digest
from kit.bundle.seal import SEAL_FILE, read_seal
from kit.bundle.store import Bundle, Store
from kit.errors import InputError
from kit.project.project import Project

_DIGEST_LENGTH = 64


@dataclass(frozen=True)
class FoundBundle:
    """A bundle, its attestations, and the folder that holds them and the signatures."""

    bundle: Bundle
    attestations: tuple[Attestation, ...]
    folder: Path


def find_bundle(project: Path, ref: str, attestations: str | Path | None = None) -> FoundBundle:
    """Return a bundle by its folder, or by its name in the project. Raises InputError if there is none."""
    if is_bundle(ref):
        return opened(Path(ref), attestations)
    refuse_other_folders([ref])
    return in_store(Store(Project.find(project).root), ref)


def in_store(store: Store, ref: str) -> FoundBundle:
    """Return a bundle of a store by its name."""
    bundle = store.get(ref)
    return FoundBundle(bundle, tuple(store.attestations(bundle.digest)), store.attestations_folder(bundle.digest))


def is_bundle(ref: str) -> bool:
    """Whether a name is the folder of a bundle."""
    return (Path(ref) / MANIFEST_FILE).is_file() and (Path(ref) / SEAL_FILE).is_file()


def refuse_other_folders(refs: Sequence[str]) -> None:
    """Raise InputError for a path that is no bundle, instead of looking for a bundle of that name."""
    for ref in refs:
        if ("/" in ref or ref in (".", "..")) and not is_bundle(ref):
            what = f"This folder is no bundle: it has no {MANIFEST_FILE} or no {SEAL_FILE}."
            raise InputError(what, ref, "Give the folder of a bundle, such as bundles/sha256/DIGEST.")


def opened(folder: Path, attestations: str | Path | None) -> FoundBundle:
    """Open a bundle's folder. In a store the folder's name is the digest, and the files must have it."""
    folder = folder.absolute()
    digest = folder.name if len(folder.name) == _DIGEST_LENGTH else manifest_digest(folder)
    bundle = Bundle(digest, folder, read_seal(folder))
    place = Path(attestations) if attestations is not None else _attestations_of(folder, digest)
    if attestations is not None and not place.is_dir():
        raise InputError("There is no such folder.", f"--attestations {place}", "Give the folder with its JSON files.")
    found = (read_attestation(file, digest) for file in sorted(place.glob("*.json")))
    return FoundBundle(bundle, tuple(sorted(found, key=lambda each: each.sequence)), place)


def _attestations_of(folder: Path, digest: str) -> Path:
    """Return where a bundle's attestations are: in its store, or else in a folder beside it."""
    stored = folder.parent.name == "sha256" and folder.parent.parent.name == "bundles"
    return (folder.parents[2] if stored else folder.parent) / "attestations" / digest
