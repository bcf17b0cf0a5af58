"""Several streams of one request as one, for answers with `n` choices or a batch of prompts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import cast

from kit.engines.base import Delta

_Item = tuple[int, Delta] | Exception | None


async def merged(streams: Sequence[AsyncIterator[Delta]]) -> AsyncGenerator[tuple[int, Delta]]:
    """Yield each stream's index with its next delta, as soon as there is one.

    Closing the generator closes every stream, which frees the engine's slots. The first error of a stream is raised.
    """
    if len(streams) == 1:
        async with aclosing(cast(AsyncGenerator[Delta], streams[0])) as only:
            async for delta in only:
                yield 0, delta
        return
    arrived: asyncio.Queue[_Item] = asyncio.Queue()
    readers = [asyncio.ensure_future(_read(index, stream, arrived)) for index, stream in enumerate(streams)]
    try:
        unfinished = len(readers)
        while unfinished:
            item = await arrived.get()
            if isinstance(item, Exception):
                raise item
            if item is None:
                unfinished -= 1
            else:
                yield item
    finally:
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)


async def _read(index: int, stream: AsyncIterator[Delta], arrived: asyncio.Queue[_Item]) -> None:
    """Put what a stream yields in the queue; at its end None, or its error."""
    try:
        async with aclosing(cast(AsyncGenerator[Delta], stream)) as deltas:
            async for delta in deltas:
                arrived.put_nowait((index, delta))
    except Exception as error:
        arrived.put_nowait(error)
    else:
        arrived.put_nowait(None)
