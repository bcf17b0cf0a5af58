"""One HTTP connection that is kept, as lean as a client can be: what it adds to a time is the same for every server."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from kit.errors import KitError

_TEXT = "Clause {number}. Either party may end this agreement with notice of thirty days in writing. " * 4
_WRITTEN = 16  # tokens of each answer


class Connection:
    """Sends one request after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    @asynccontextmanager
    async def to(cls, port: int) -> AsyncIterator[Self]:
        """Connect to a port of this machine, and close in the end."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield cls(reader, writer)
        finally:
            writer.close()

    async def probe(self, path: str) -> float:
        """Return the seconds from a GET to the end of its answer."""
        began = time.perf_counter()
        self._writer.write(f"GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n".encode())
        length = int((await self._head())["content-length"])
        await self._reader.readexactly(length)
        return time.perf_counter() - began

    async def first_token(self, number: int) -> float:
        """Return the seconds from a streamed chat to its first text; the stream is read to its end.

        Each number makes a text of its own, so that no server can have read it before.
        """
        message = {"role": "user", "content": _TEXT.format(number=number)}
        asked = {"messages": [message], "max_tokens": _WRITTEN, "temperature": 0, "stream": True}
        body = json.dumps(asked).encode()
        head = "POST /v1/chat/completions HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json"
        began = time.perf_counter()
        self._writer.write(f"{head}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
        await self._head()
        first = None
        async for line in self._lines():
            if first is None and _has_text(line):
                first = time.perf_counter() - began
        if first is None:
            raise KitError("A server streamed no text.")
        return first

    async def _head(self) -> dict[str, str]:
        """Read a status line and the headers; raises KitError for any status but 200."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        if head[0].split()[1] != "200":
            raise KitError(f"A server answered: {head[0]}")
        pairs = (line.partition(": ") for line in head[1:] if line)
        return {name.lower(): value for name, _, value in pairs}

    async def _lines(self) -> AsyncIterator[bytes]:
        """Yield the lines of a body that comes in chunks."""
        while size := int(await self._reader.readline(), 16):
            chunk = await self._reader.readexactly(size + 2)
            for line in chunk.splitlines():
                yield line
        await self._reader.readline()


def _has_text(line: bytes) -> bool:
    if not line.startswith(b"data: {"):
        return False
    choices = json.loads(line[6:]).get("choices") or [{}]
    return bool(choices[0].get("delta", {}).get("content"))
