"""Locks on files and folders. The system releases them when the process ends, even if it is killed."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class Lock:
    """A lock that this process holds until `release`, or until the end of a `with` block."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def release(self) -> None:
        """Release the lock; call it once."""
        os.close(self._handle)

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def wait_for_lock(path: Path, *, shared: bool = False) -> Lock:
    """Lock a folder or a file, and create the file if there is none. Waits while another process holds the lock."""
    handle = _open(path)
    try:
        fcntl.flock(handle, _kind(shared))
    except BaseException:
        os.close(handle)
        raise
    return Lock(handle)


def try_lock(path: Path, *, shared: bool = False) -> Lock | None:
    """Like `wait_for_lock`, but returns None at once when another process holds the lock."""
    handle = _open(path)
    try:
        fcntl.flock(handle, _kind(shared) | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    except BaseException:
        os.close(handle)
        raise
    return Lock(handle)


def is_locked(path: Path) -> bool:
    """Return whether a process holds an exclusive lock. Writes nothing, so it works on a read-only disk."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def _open(path: Path) -> int:
    """Open for locking: network file systems lock a file exclusively only if it is open for writing."""
    return os.open(path, os.O_RDONLY) if path.is_dir() else os.open(path, os.O_RDWR | os.O_CREAT, 0o666)


def _kind(shared: bool) -> int:
    return fcntl.LOCK_SH if shared else fcntl.LOCK_EX
