"""The requests that no database has yet, in a file that the service maps into its memory.

A count is one store into that memory: the system keeps it when the process is killed, without a write for each token.
The file has its full size from the start, so that a full disk cannot stop the counting. Each slot is

    state, outcome, length | prompt tokens | completion tokens | time of the last count | begun | seconds | text

where the text is the entry as JSON. The state is written last. Every number is one aligned store of eight bytes, so
that no kill can leave half of one.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from kit.errors import KitError
from kit.system.locks import Lock, try_lock
from serving.ledger.entry import OUTCOMES, Entry, Outcome, Row

SLOTS = 4096
_SLOT_BYTES = 1024
_FREE, _OPEN, _CLOSED = 0, 1, 2
_HEAD, _COUNTS, _TIMES = struct.Struct("@BBH"), struct.Struct("@QQd"), struct.Struct("@dd")
_AT_COUNTS, _AT_TIMES, _AT_TEXT = 8, 32, 48
_MOST_FILES = 1000
_SHORT = 70  # characters of each name of an entry whose names do not fit a slot, escaped as JSON


class BoardFull(Exception):
    """Every slot is taken: the database has not taken a row for a while."""


class Board:
    """The slots of one service; the lock says that a process uses them."""

    def __init__(self, file: Path, lock: Lock, slots: int = SLOTS) -> None:
        self._lock = lock
        self._handle = os.open(file, os.O_RDWR)
        size = slots * _SLOT_BYTES
        try:
            os.posix_fallocate(self._handle, 0, size)
        except OSError as error:
            os.close(self._handle)
            lock.release()
            raise KitError(f"There is no room for {size} bytes: {error.strerror}.", str(file)) from None
        self._memory = mmap.mmap(self._handle, os.fstat(self._handle).st_size)
        self._slots = len(self._memory) // _SLOT_BYTES
        self._free = deque(slot for slot in range(self._slots) if self._state(slot) == _FREE)

    def begin(self, entry: Entry) -> int:
        """Take a slot for an entry and return its number. Raises BoardFull if there is none."""
        try:
            slot = self._free.popleft()
        except IndexError:
            raise BoardFull from None
        at, now = slot * _SLOT_BYTES, time.time()
        text = _text(entry)
        _COUNTS.pack_into(self._memory, at + _AT_COUNTS, 0, 0, now)
        _TIMES.pack_into(self._memory, at + _AT_TIMES, now, 0.0)
        self._memory[at + _AT_TEXT : at + _AT_TEXT + len(text)] = text
        _HEAD.pack_into(self._memory, at, _FREE, 0, len(text))
        self._memory[at] = _OPEN
        return slot

    def count(self, slot: int, prompt_tokens: int, completion_tokens: int) -> None:
        """Write what an open entry has used so far."""
        at = slot * _SLOT_BYTES + _AT_COUNTS
        _COUNTS.pack_into(self._memory, at, prompt_tokens, completion_tokens, time.time())

    def close_slot(self, slot: int, seconds: float, outcome: Outcome) -> None:
        """End an entry: its row is complete."""
        at = slot * _SLOT_BYTES
        struct.pack_into("@d", self._memory, at + _AT_TIMES + 8, seconds)
        self._memory[at + 1] = OUTCOMES.index(outcome)
        self._memory[at] = _CLOSED

    def row(self, slot: int) -> Row:
        """Return a slot as a row; one that was never closed ended with its service, at its last count."""
        at = slot * _SLOT_BYTES
        state, outcome, length = _HEAD.unpack_from(self._memory, at)
        prompt_tokens, completion_tokens, last = _COUNTS.unpack_from(self._memory, at + _AT_COUNTS)
        begun, seconds = _TIMES.unpack_from(self._memory, at + _AT_TIMES)
        entry = Entry(**json.loads(self._memory[at + _AT_TEXT : at + _AT_TEXT + length]))
        crashed = state != _CLOSED
        return Row(
            entry,
            begun,
            max(last - begun, 0.0) if crashed else seconds,
            prompt_tokens,
            completion_tokens,
            "crashed" if crashed else OUTCOMES[outcome],
        )

    def release(self, slot: int) -> None:
        """Free a slot: the database has its row."""
        self._memory[slot * _SLOT_BYTES] = _FREE
        self._free.append(slot)

    def taken(self) -> Iterator[int]:
        """Yield every slot that is not free."""
        yield from (slot for slot in range(self._slots) if self._state(slot) != _FREE)

    def sync(self) -> None:
        """Bring the counts to the disk itself, for a loss of power."""
        os.fdatasync(self._handle)

    def close(self) -> None:
        """Let another process have the board."""
        self._memory.close()
        os.close(self._handle)
        self._lock.release()

    def _state(self, slot: int) -> int:
        return self._memory[slot * _SLOT_BYTES]


def _text(entry: Entry) -> bytes:
    """Return an entry as JSON that fits a slot; names that are too long are cut."""
    whole = json.dumps(asdict(entry), separators=(",", ":")).encode()
    if len(whole) <= _SLOT_BYTES - _AT_TEXT:
        return whole
    short = {name: str(value).encode("ascii", "replace")[:_SHORT].decode() for name, value in asdict(entry).items()}
    return json.dumps(short, separators=(",", ":")).encode()


def abandoned(folder: Path) -> Iterator[Board]:
    """Yield the boards in a folder that no process uses; close each."""
    for file in sorted(folder.glob("open-*.board")):
        if (lock := try_lock(file)) is not None:
            yield Board(file, lock)


def free_board(folder: Path, slots: int = SLOTS) -> Board:
    """Return a board of this process. Raises KitError if the folder cannot be written or the disk is full."""
    for number in range(_MOST_FILES):
        file = folder / f"open-{number}.board"
        try:
            lock = try_lock(file)
        except OSError as error:
            raise KitError(f"The ledger cannot be written: {error.strerror}.", str(file)) from None
        if lock is not None:
            return Board(file, lock, slots)
    raise KitError("Too many services use this ledger.", str(folder), "Give each its own folder: --set state=FOLDER")
