"""Blocking work in a thread that the end of the process does not wait for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress


async def run_in_daemon_thread(work: Callable[[], None]) -> None:
    """Run `work` in a thread of its own and wait for it; its exception is raised here.

    If the caller is cancelled, the thread goes on, but the interpreter ends without it; `asyncio.to_thread` would
    keep the process alive until the work is done.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def settle(error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    def run() -> None:
        error: BaseException | None = None
        try:
            work()
        except BaseException as raised:
            error = raised
        with suppress(RuntimeError):  # the loop has been closed: nobody waits any more
            loop.call_soon_threadsafe(settle, error)

    threading.Thread(target=run, name="blocking-work", daemon=True).start()
    await done
