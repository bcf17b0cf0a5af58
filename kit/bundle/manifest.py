"""The manifest: path, size and SHA-256 of every file of a bundle. The hash of its bytes is the bundle's digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pydantic import TypeAdapter

from kit.errors import Problem, Refused
from kit.recipe import Section
from kit.system.files import file_digest
from kit.system.hashes import Digest

MANIFEST_FILE = "manifest.json"
_AT_ONCE = 4  # files that are hashed at the same time
BUILD_AGAIN = "Build the bundle again with: kit train"
_OF_DESKTOPS = frozenset({".DS_Store"})
"""Files that a desktop writes into folders. Nothing reads them, so they are not part of a bundle."""


class Entry(Section):
    """One file: its path with forward slashes, its size in bytes, its SHA-256."""

    path: str
    size: int
    sha256: str


_ENTRIES = TypeAdapter(list[Entry])


def list_files(folder: Path, digest: Digest = file_digest) -> list[Entry]:
    """Hash every file under a folder except the manifest, sorted by path; several files at the same time."""
    found = sorted((path.relative_to(folder).as_posix(), path) for path in _paths(folder) if path.is_file())
    files = [(name, path) for name, path in found if name != MANIFEST_FILE]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        hashes = pool.map(digest, [path for _, path in files])
        return [
            Entry(path=name, size=path.stat().st_size, sha256=sha256)
            for (name, path), sha256 in zip(files, hashes, strict=True)
        ]


def write_manifest(folder: Path) -> str:
    """Write the folder's manifest and return the bundle's digest."""
    content = canonical_json([entry.model_dump() for entry in list_files(folder)])
    (folder / MANIFEST_FILE).write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def read_manifest(folder: Path) -> list[Entry]:
    """Read the folder's manifest.

    Raises Refused if it is missing or not a manifest.
    """
    file = folder / MANIFEST_FILE
    try:
        return _ENTRIES.validate_json(file.read_bytes())
    except FileNotFoundError:
        raise Refused("The bundle has no manifest.", str(folder), BUILD_AGAIN) from None
    except ValueError:
        raise Refused("The manifest cannot be read.", str(file), BUILD_AGAIN) from None


def manifest_digest(folder: Path) -> str:
    """SHA-256 of the manifest's bytes: the digest of the bundle."""
    return file_digest(folder / MANIFEST_FILE)


def file_problems(folder: Path, digest: Digest = file_digest) -> list[Problem]:
    """Hash every file and return all differences from the manifest, one sentence per file."""
    listed = {entry.path: entry for entry in read_manifest(folder)}
    present = {entry.path: entry for entry in list_files(folder, digest)}
    problems = [Problem("This is a link; a bundle holds its own files.", str(link)) for link in _links(folder)]
    for name in sorted(listed.keys() | present.keys()):
        what = _difference(listed.get(name), present.get(name))
        problems.extend([Problem(what, str(folder / name))] if what else [])
    return problems


def entries_digest(entries: Sequence[Entry]) -> str:
    """SHA-256 over the names and hashes of some of a manifest's files."""
    lines = [f"{entry.path}\0{entry.sha256}\n" for entry in sorted(entries, key=lambda entry: entry.path)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def canonical_json(value: object) -> bytes:
    """Return JSON in the form of all files in a bundle: sorted keys, two spaces, a final newline."""
    return (json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False) + "\n").encode()


def _difference(listed: Entry | None, present: Entry | None) -> str:
    if listed is None:
        return "This file is not in the manifest."
    if present is None:
        return "This file is in the manifest, but it is missing."
    if listed.size != present.size:
        return f"This file has {present.size} bytes; the manifest says {listed.size}."
    return "" if listed.sha256 == present.sha256 else "This file has changed: the manifest has another SHA-256."


def _paths(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if not path.is_symlink() and path.name not in _OF_DESKTOPS)


def _links(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_symlink())
