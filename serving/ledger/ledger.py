"""The ledger of a running service: it counts in memory that outlives the process, and writes to SQL in a thread."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from pathlib import Path

from kit.errors import KitError
from serving.ledger.board import SLOTS, Board, abandoned, free_board
from serving.ledger.database import Database
from serving.ledger.entry import Entry, Outcome, Used, day_of
from serving.ledger.prices import Prices

_SECONDS = 0.2
_ROWS_AT_ONCE = 500
_REFRESH_SECONDS = 10.0
_RETRY_SECONDS = 2.0
_log = logging.getLogger(__name__)


class Ledger:
    """Counts what requests use.

    `begin`, `count` and `end` only write to memory. A thread brings closed rows to the database; until then they stay
    on the board, where a kill cannot reach them. `problem` says why the database takes no rows; empty while it does.
    """

    def __init__(self, folder: Path, url: str, prices: Prices, slots: int = SLOTS) -> None:
        self._folder, self._slots = folder, slots
        self._database, self._prices = Database(url), prices
        self._board: Board | None = None
        self._closed: deque[int] = deque()
        self._open: dict[int, tuple[Entry, int, int]] = {}
        self._spent: dict[str, Used] = {}  # by key, today, in the database
        self._spent_day, self._refreshed = "", 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kit-ledger", daemon=True)
        self.problem = ""
        self.uncounted: Counter[str] = Counter()

    def open(self) -> int:
        """Bring the tables up to date, settle what an earlier service left, and begin; return the rows settled.

        Raises KitError if the database or the folder cannot be used.
        """
        settled = settle(self._folder, self._database, self._prices)
        self._board = free_board(self._folder, self._slots)
        self._refresh()
        self._thread.start()
        return settled

    def begin(self, entry: Entry) -> int:
        """Begin an entry and return its number. Raises BoardFull if too many rows wait for the database."""
        slot = self._used_board().begin(entry)
        self._open[slot] = (entry, 0, 0)
        return slot

    def count(self, slot: int, prompt_tokens: int, completion_tokens: int) -> None:
        """Set what an entry has used so far; call it before the client gets what was counted."""
        self._used_board().count(slot, prompt_tokens, completion_tokens)
        self._open[slot] = (self._open[slot][0], prompt_tokens, completion_tokens)

    def end(self, slot: int, seconds: float, outcome: Outcome) -> None:
        """Close an entry; the thread writes its row."""
        self._used_board().close_slot(slot, seconds, outcome)
        self._closed.append(slot)

    @property
    def waiting(self) -> int:
        """How many closed rows the database does not have yet."""
        return len(self._closed)

    def spent(self, key: str) -> Used:
        """Return what a key has used today (UTC), with what runs now. It asks no database, so it may run at any time.

        What other services write to the same database is seen within ten seconds.
        """
        known = self._spent.get(key, Used()) if self._spent_day == day_of(time.time()) else Used()
        mine = [each for each in list(self._open.values()) if each[0].key == key]
        price = self._prices
        running = (
            Used(1, read, written, 0.0, (read * price.prompt + written * price.completion) / 1e6)
            for _, read, written in mine
        )
        return sum(running, known)

    def close(self) -> None:
        """Write what is left, and let go of the board; rows that cannot be written stay for the next start.

        A second call does nothing.
        """
        self._stopping.set()
        if (board := self._board) is None:
            return
        self._thread.join()
        self._write()
        self._board = None
        board.close()
        self._database.close()

    def _used_board(self) -> Board:
        assert self._board is not None, "the ledger is not open"
        return self._board

    def _run(self) -> None:
        while not self._stopping.wait(_RETRY_SECONDS if self.problem else _SECONDS):
            self._write()

    def _write(self) -> None:
        """Bring closed rows to the database; if it takes none, they wait."""
        try:
            while self._closed:
                self._write_some()
            self._used_board().sync()
            if time.monotonic() - self._refreshed > _REFRESH_SECONDS or self._spent_day != day_of(time.time()):
                self._refresh()
        except (KitError, OSError) as error:
            self._report(str(error))
        else:
            if self.problem:
                _log.warning("The ledger's database takes rows again.")
            self.problem = ""

    def _write_some(self) -> None:
        board = self._used_board()
        slots = [self._closed[index] for index in range(min(len(self._closed), _ROWS_AT_ONCE))]
        rows = [board.row(slot) for slot in slots]
        self._database.add(rows, self._prices)
        for slot, row in zip(slots, rows, strict=True):
            if row.day == self._spent_day:
                cost = self._prices.of(row)
                used = Used(1, row.prompt_tokens, row.completion_tokens, row.seconds, cost)
                self._spent[row.entry.key] = self._spent.get(row.entry.key, Used()) + used
            self._closed.popleft()
            self._open.pop(slot)
            board.release(slot)

    def _refresh(self) -> None:
        """Read what each key has used today."""
        day = day_of(time.time())
        self._spent = {key: used for (key,), used in self._database.sums(["key_id"], since=day, until=day)}
        self._spent_day, self._refreshed = day, time.monotonic()

    def _report(self, problem: str) -> None:
        if problem != self.problem:
            _log.error("%s %d rows of the ledger wait for it.", problem, self.waiting)
        self.problem = problem


def settle(folder: Path, database: Database, prices: Prices) -> int:
    """Bring the tables up to date, and write the rows of services that were killed; return how many.

    Raises KitError if the database or the folder cannot be used.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise KitError(f"The ledger cannot be written: {error.strerror}.", str(folder)) from None
    database.migrate()
    settled = 0
    for board in abandoned(folder):
        try:
            slots = list(board.taken())
            database.add((board.row(slot) for slot in slots), prices)
            for slot in slots:
                board.release(slot)
            settled += len(slots)
        finally:
            board.close()
    return settled
