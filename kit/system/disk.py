"""What makes the store's writing survive a crash and a second process: locks, whole lines, and syncing to disk."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def append_line(file: Path, line: bytes) -> None:
    """Append one line under a lock; a line that an earlier crash left unfinished is dropped first."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+b") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        stream.seek(0)
        written = stream.read()
        stream.truncate(written.rfind(b"\n") + 1)
        stream.write(line + b"\n")
        stream.flush()
        os.fsync(stream.fileno())
    sync_folder(file.parent)


def whole_lines(file: Path) -> list[bytes]:
    """Return the finished lines of a file; none where there is no file."""
    return file.read_bytes().split(b"\n")[:-1] if file.is_file() else []


def sync_tree(folder: Path) -> None:
    """Push every file and folder below a folder to the disk."""
    for path in folder.rglob("*"):
        _sync(path)
    _sync(folder)


def sync_folder(folder: Path) -> None:
    """Push a folder's list of names to the disk."""
    _sync(folder)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder's lock, so that only one process counts or writes in it."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def hold(folder: Path) -> int | None:
    """Take a folder's lock and return its handle, to be closed; None where another process holds it."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
