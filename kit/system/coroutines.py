"""Runs a coroutine from synchronous code, also in a notebook, where an event loop is already running."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Result = TypeVar("Result")


def run_to_end(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine and return its result. Ctrl-C cancels it, waits for its cleanup and is raised again."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    return _run_in_a_thread(work)


def _run_in_a_thread(work: Coroutine[Any, Any, Result]) -> Result:
    cancel: list[Any] = []

    async def cancellable() -> Result:
        task = asyncio.current_task()
        assert task is not None
        cancel.append(lambda: task.get_loop().call_soon_threadsafe(task.cancel))
        return await work

    with ThreadPoolExecutor(1) as pool:  # leaving the block waits for the thread, and so for the cleanup
        done = pool.submit(asyncio.run, cancellable())
        try:
            return done.result()
        except BaseException:
            if cancel and not done.done():
                cancel[0]()
            raise
