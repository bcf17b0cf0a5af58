"""Writes that stay valid after a crash or beside another process: whole lines, and files synced to disk."""

from __future__ import annotations

import os
from pathlib import Path

from kit.system.locks import wait_for_lock


def append_line(file: Path, line: bytes) -> None:
    """Append one line under a lock; drop a line that an earlier crash left unfinished."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with wait_for_lock(file), file.open("a+b") as stream:
        stream.seek(0)
        written = stream.read()
        stream.truncate(written.rfind(b"\n") + 1)
        stream.write(line + b"\n")
        stream.flush()
        os.fsync(stream.fileno())
    sync_folder(file.parent)


def whole_lines(file: Path) -> list[bytes]:
    """Return the finished lines of a file; an empty list if there is no file."""
    return file.read_bytes().split(b"\n")[:-1] if file.is_file() else []


def sync_tree(folder: Path) -> None:
    """Write every file and folder below a folder to disk."""
    for path in folder.rglob("*"):
        _sync(path)
    _sync(folder)


def sync_folder(folder: Path) -> None:
    """Write a folder's list of names to disk."""
    _sync(folder)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
