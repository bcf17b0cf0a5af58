"""SHA-256 of large files that do not change: read once, and remembered for later starts.

A file counts as unchanged if its path, size, times of change and inode are the same. Small files are always read, and
so is a file that changed within the last seconds, because its time of change could still stay the same.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from kit.system.files import file_digest, write_atomically
from kit.system.locks import wait_for_lock

Digest = Callable[[Path], str]
"""Returns the SHA-256 of a file's bytes."""

_LARGE = 1 << 20  # bytes
_SETTLED_SECONDS = 3.0
_NEWEST = 4096  # entries in the file


@dataclass
class RememberedHashes:
    """The hashes of large files, in a file and in this process.

    `reread` ignores what earlier processes wrote. `bytes_read` counts what was hashed; `oldest` is the time (Unix) of
    the oldest hash that was used without reading, and None if every file was read.
    """

    file: Path
    reread: bool = False
    bytes_read: int = 0
    oldest: float | None = None
    _known: dict[str, dict[str, Any]] = field(default_factory=dict)
    _reused: set[str] = field(default_factory=set)
    _lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        if not self.reread:
            self._known = _entries(self.file)

    def __call__(self, path: Path) -> str:
        """Return the SHA-256 of a file's bytes."""
        found = path.stat()
        key = str(path.resolve())
        stamp = [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]
        with self._lock:
            entry = self._known.get(key)
        if found.st_size >= _LARGE and entry is not None and entry["stamp"] == stamp:
            self._count(key, entry)
            return str(entry["sha256"])
        digest = file_digest(path)
        with self._lock:
            self.bytes_read += found.st_size
            if found.st_size >= _LARGE and time.time() - found.st_mtime > _SETTLED_SECONDS:
                self._known[key] = {"stamp": stamp, "sha256": digest, "at": time.time(), "new": True}
        return digest

    @property
    def reused(self) -> int:
        """How many files were used without reading them."""
        return len(self._reused)

    def _count(self, key: str, entry: dict[str, Any]) -> None:
        if entry.get("new"):
            return  # read in this process
        with self._lock:
            self._reused.add(key)
            self.oldest = min(self.oldest or entry["at"], entry["at"])

    def save(self) -> None:
        """Write the hashes for later starts. A folder that cannot be written to is no error: they are read again."""
        entries = {
            name: {key: value for key, value in entry.items() if key != "new"} for name, entry in self._known.items()
        }
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with wait_for_lock(self.file.parent):  # so that no other process's hashes are lost
                every = {**_entries(self.file), **entries}
                newest = dict(sorted(every.items(), key=lambda item: item[1]["at"])[-_NEWEST:])
                write_atomically(self.file, json.dumps(newest))
        except OSError:
            return


def hashes_file() -> Path:
    """Return the file of remembered hashes, in the user's own cache folder."""
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "domainkit" / "hashes.json"


def _entries(file: Path) -> dict[str, dict[str, Any]]:
    """Read the file; a missing or damaged one is empty, and so is one that another user could have written."""
    try:
        found = file.stat()
        if found.st_uid != os.getuid() or found.st_mode & 0o022:
            return {}
        entries = json.loads(file.read_text())
        return {
            str(name): {"stamp": list(each["stamp"]), "sha256": str(each["sha256"]), "at": float(each["at"])}
            for name, each in entries.items()
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}
