"""Writes files atomically: a reader sees the old text or the new text, never a mixture. Hashes files."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_atomically(path: Path, text: str | bytes) -> None:
    """Write a file in one step: a temporary file is written and then replaces it. The folder must exist."""
    staged = _stage(path, text.encode("utf-8") if isinstance(text, str) else text)
    try:
        staged.replace(path)
    except BaseException:
        staged.unlink(missing_ok=True)
        raise


def write_together(*phases: Mapping[Path, bytes]) -> None:
    """Write several files, or none of them. Their folders must exist. A later phase can write a file once more.

    All new contents are on disk before the first file changes. Where a later file cannot be replaced, or the process
    is interrupted, the files get their old contents again, in the reverse order.
    """
    with ExitStack() as stack:
        pairs = [pair for phase in phases for pair in phase.items()]
        staged = [stack.enter_context(_Staged(path, content)) for path, content in pairs]
        for each in staged:
            each.replace()
        for each in staged:
            each.done = True


class _Staged:
    """New contents in a temporary file. At exit the old file is restored, unless the change is `done`.

    A link stays a link: the file that it names is replaced.
    """

    def __init__(self, path: Path, content: bytes) -> None:
        self.path, self.done = path.resolve(), False
        self._content = content
        self._old: bytes | None = None
        self._staged: Path | None = None
        self._replaced = False

    def __enter__(self) -> _Staged:
        self._staged = _stage(self.path, self._content)
        return self

    def replace(self) -> None:
        """Put the new contents in place."""
        assert self._staged is not None
        self._old = self.path.read_bytes() if self.path.exists() else None
        self._replaced = True
        self._staged.replace(self.path)

    def __exit__(self, *_: object) -> None:
        if self._staged is not None:
            self._staged.unlink(missing_ok=True)
        if self.done or not self._replaced:
            return
        if self._old is None:
            self.path.unlink(missing_ok=True)
        else:
            _stage(self.path, self._old).replace(self.path)


def _stage(path: Path, content: bytes) -> Path:
    """Write contents to a new file in the folder of `path`, with the permissions of `path`, and return it."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).chmod(stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o644)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return Path(name)
