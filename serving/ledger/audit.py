"""The audit log: what was done to a service and its aliases. Each entry holds the hash of the one before.

A changed, removed or inserted entry breaks the chain. What no chain shows is that its last entries were cut off, or
that all of it was written anew: keep the last hash somewhere else now and then, and verify against it.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from kit.errors import KitError
from kit.system.disk import sync_folder
from kit.system.locks import wait_for_lock

FILE = "audit.jsonl"
FIRST = "0" * 64
_CHUNK = 65_536


@dataclass(frozen=True)
class Verified:
    """What a look at the whole chain found: the number of entries, the last hash, and every fault with its line."""

    entries: int
    last: str
    faults: tuple[str, ...]


def record(folder: Path, event: str, **facts: Any) -> str:
    """Append an entry to the log in a folder, on the disk itself, and return its hash.

    Raises KitError if it cannot be written; nothing of it is left then.
    """
    file = folder / FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with wait_for_lock(file), file.open("r+b") as stream:
            made = _append(stream, event, facts)
        sync_folder(folder)
    except OSError as error:
        advice = "Free the disk, or let the service write there. What cannot be recorded is not done."
        raise KitError(f"The audit log cannot be written: {error.strerror}.", str(file), advice) from None
    return made


def _append(stream: IO[bytes], event: str, facts: Mapping[str, Any]) -> str:
    """Write the entry after the last whole line; what an earlier crash left behind it is dropped."""
    last, end = _last_line(stream)
    before: dict[str, Any] = json.loads(last) if last else {"sequence": 0, "hash": FIRST}
    entry: dict[str, Any] = {"sequence": before["sequence"] + 1, "at": _now(), "event": event, "by": _user(), **facts}
    entry["before"] = before["hash"]
    entry["hash"] = _hash(entry)
    stream.truncate(end)
    stream.seek(end)
    try:
        stream.write(json.dumps(entry, ensure_ascii=False, sort_keys=True, default=str).encode() + b"\n")
        stream.flush()
        os.fsync(stream.fileno())
    except OSError:
        os.ftruncate(stream.fileno(), end)
        raise
    return str(entry["hash"])


def _last_line(stream: IO[bytes]) -> tuple[bytes, int]:
    """Return the last finished line, and where it ends; the whole file is not read."""
    end = stream.seek(0, os.SEEK_END)
    tail = b""
    at = end
    while at and tail.count(b"\n") < 2:
        step = min(_CHUNK, at)
        at -= step
        stream.seek(at)
        tail = stream.read(step) + tail
    whole = tail[: tail.rfind(b"\n") + 1]
    return whole.rstrip(b"\n").rpartition(b"\n")[2], end - (len(tail) - len(whole))


def verify(folder: Path, last: str = "") -> Verified:
    """Check every entry of the log in a folder. `last` is a hash that must be in the chain.

    Raises KitError if there is no log or it cannot be read.
    """
    before, count, faults, met = FIRST, 0, [], not last
    for number, line in enumerate(_lines(folder), 1):
        count += 1
        entry = _entry(line)
        if entry is None:
            faults.append(f"Line {number} is no entry.")
            continue
        if entry.get("before") != before or entry.get("sequence") != number:
            faults.append(f"Line {number} does not follow the line before it: an entry was removed, added or moved.")
        if entry.get("hash") != _hash(entry):
            faults.append(f"Line {number} was changed after it was written.")
        before = str(entry.get("hash"))
        met = met or before == last
    if not met:
        faults.append("The hash that you gave is not in the log: its end was cut off, or all of it was written anew.")
    return Verified(count, before, tuple(faults))


def entries(folder: Path) -> list[dict[str, Any]]:
    """Return every readable entry. Raises as `verify` does."""
    return [entry for line in _lines(folder) if (entry := _entry(line)) is not None]


def _lines(folder: Path) -> Iterator[bytes]:
    file = folder / FILE
    try:
        with file.open("rb") as stream:
            yield from (line for line in stream if line.endswith(b"\n"))
    except FileNotFoundError:
        raise KitError("There is no audit log here.", str(file), "A service writes one where its state is.") from None
    except OSError as error:
        raise KitError(f"The audit log cannot be read: {error.strerror}.", str(file)) from None


def _entry(line: bytes) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None


def _hash(entry: Mapping[str, Any]) -> str:
    """Return the SHA-256 of an entry without its own hash, as JSON in one form."""
    plain = json.loads(json.dumps({name: value for name, value in entry.items() if name != "hash"}, default=str))
    return hashlib.sha256(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _user() -> str:
    """Return the name of the user whose process this is, or the user's number."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return str(os.getuid())
