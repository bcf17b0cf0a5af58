"""Runs a service in its own thread and event loop, so that a notebook can continue."""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

Work = Callable[[Callable[[str], None], asyncio.Event], Coroutine[Any, Any, None]]
"""Called with a function to report the service's URL when ready, and an event that asks it to stop."""


class Background:
    """A thread that runs `work`. It is stopped when the interpreter exits, if not before."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._ready: Future[str] = Future()
        self._error: BaseException | None = None
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="kit-service", daemon=True)
        self._thread.start()
        atexit.register(self.stop)

    def started(self) -> str:
        """Wait until the service is ready, and return its URL. Raises the error that prevented the start."""
        try:
            return self._ready.result()
        except BaseException:
            self.stop()
            raise

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the thread's end; return whether it has ended. Raises the error that ended it."""
        self._thread.join(seconds)
        if self._thread.is_alive():
            return False
        if self._error is not None:
            raise self._error
        return True

    def stop(self) -> None:
        """Ask the work to stop, and wait until it has."""
        atexit.unregister(self.stop)
        if self._thread.is_alive():
            with suppress(RuntimeError):  # the loop has already closed, and the thread is about to end
                self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._work(self._ready.set_result, self._stop))
        except BaseException as error:
            self._error = error
        if not self._ready.done():
            self._ready.set_exception(self._error or RuntimeError("The service stopped before it was ready."))
