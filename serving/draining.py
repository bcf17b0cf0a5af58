"""A server that says no while its running requests end: after a signal new requests get 503, then it exits.

uvicorn closes its listener at once, so that a new client sees a refused connection, which no retry rule covers.
"""

from __future__ import annotations

import asyncio
import time
from types import FrameType

import uvicorn

from serving.readiness import Readiness

_LOOK_SECONDS = 0.05


class DrainingServer(uvicorn.Server):
    """At the first SIGINT or SIGTERM it drains; at the second it ends what still runs."""

    def __init__(self, config: uvicorn.Config, readiness: Readiness, drain_seconds: float) -> None:
        super().__init__(config)
        self._readiness, self._drain_seconds = readiness, drain_seconds
        self._loop: asyncio.AbstractEventLoop | None = None
        self._draining: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        """Start as uvicorn does, and remember the loop for signals."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)  # type: ignore[arg-type]

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain after the first signal; end at once after the second, or while the service is still starting."""
        again = bool(self._captured_signals)
        super().handle_exit(sig, frame)
        self.force_exit = again
        if not again and self._loop is not None and self._readiness.ready:
            self.should_exit = False
            self._loop.call_soon_threadsafe(self._begin)

    def _begin(self) -> None:
        self._readiness.drain()
        self._draining = asyncio.ensure_future(self._drain())

    async def _drain(self) -> None:
        """Exit when no request runs any more, or after the time for it; uvicorn then cancels those that are left."""
        end = time.monotonic() + self._drain_seconds
        while self.server_state.tasks and time.monotonic() < end:
            await asyncio.sleep(_LOOK_SECONDS)
        self.should_exit = True
