"""Turns: a limited number at a time, given in a circle over the keys that wait, and over the requests of each key."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_Queue = OrderedDict[object, deque[asyncio.Future[None]]]


class Turns:
    """At most `count` turns at a time, and at most `each` for one request.

    Nobody waits while a turn is free that he may take. A key that asks for much waits for itself: each other key, and
    each other request of the same key, gets a turn before it gets its next one.
    """

    def __init__(self, count: int, each: int | None = None) -> None:
        self._free = count
        self._each = count if each is None else each
        self._held: Counter[object] = Counter()
        self._waiting: OrderedDict[str, _Queue] = OrderedDict()
        self.waiting = 0

    @property
    def full(self) -> bool:
        """Whether a new request would wait."""
        return self._free == 0

    def waits(self, key: str) -> bool:
        """Whether any request of a key waits."""
        return key in self._waiting

    @asynccontextmanager
    async def turn(self, key: str, request: object) -> AsyncIterator[None]:
        """Wait for a turn, and hold it for the length of the block. Cancelling the wait leaves the line."""
        await self._take(key, request)
        try:
            yield
        finally:
            self._give_back(request)

    async def _take(self, key: str, request: object) -> None:
        if self._free and self._held[request] < self._each:
            self._grant_to(request)
            return
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, OrderedDict()).setdefault(request, deque()).append(granted)
        self.waiting += 1
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():
                self._give_back(request)
            else:
                self._leave(key, request, granted)
            raise

    def _grant_to(self, request: object) -> None:
        self._free -= 1
        self._held[request] += 1

    def _give_back(self, request: object) -> None:
        self._free += 1
        self._held[request] -= 1
        if not self._held[request]:
            del self._held[request]
        while self._free and self._grant_next():
            pass

    def _grant_next(self) -> bool:
        """Give a free turn to the first that may take it; its key and its request go to the end of the circle."""
        for key, requests in self._waiting.items():
            for request, queue in requests.items():
                granted = next((each for each in queue if not each.cancelled()), None)
                if granted is not None and self._held[request] < self._each:
                    self._leave(key, request, granted)
                    self._move_to_end(key, request)
                    self._grant_to(request)
                    granted.set_result(None)
                    return True
        return False

    def _leave(self, key: str, request: object, granted: asyncio.Future[None]) -> None:
        requests = self._waiting[key]
        requests[request].remove(granted)
        self.waiting -= 1
        if not requests[request]:
            del requests[request]
        if not requests:
            del self._waiting[key]

    def _move_to_end(self, key: str, request: object) -> None:
        if key in self._waiting:
            self._waiting.move_to_end(key)
            if request in self._waiting[key]:
                self._waiting[key].move_to_end(request)
