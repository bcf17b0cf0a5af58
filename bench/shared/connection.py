"""A minimal HTTP client on one kept connection, so that it adds the same small time for every server."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from kit.errors import KitError

_TEXT = "Clause {number}. Either party may end this agreement with notice of thirty days in writing. " * 4
_ANSWER_TOKENS = 16


class Connection:
    """Send one request after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    @asynccontextmanager
    async def to(cls, port: int) -> AsyncIterator[Self]:
        """Connect to a port on this machine; close the connection at the end of the block."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield cls(reader, writer)
        finally:
            writer.close()

    async def probe(self, path: str) -> float:
        """Return the seconds from a GET to the end of its response."""
        start = time.perf_counter()
        self._writer.write(f"GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n".encode())
        length = int((await self._head())["content-length"])
        await self._reader.readexactly(length)
        return time.perf_counter() - start

    async def first_token(self, number: int) -> float:
        """Return the seconds from a streamed chat request to its first text; read the stream to its end.

        Each number makes a different text, so that no server has it in a cache.
        """
        message = {"role": "user", "content": _TEXT.format(number=number)}
        fields = {"messages": [message], "max_tokens": _ANSWER_TOKENS, "temperature": 0, "stream": True}
        body = json.dumps(fields).encode()
        head = "POST /v1/chat/completions HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json"
        start = time.perf_counter()
        self._writer.write(f"{head}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
        await self._head()
        first = None
        async for line in self._lines():
            if first is None and _has_text(line):
                first = time.perf_counter() - start
        if first is None:
            raise KitError("A server streamed no text.")
        return first

    async def _head(self) -> dict[str, str]:
        """Read the status line and the headers. Raises KitError for any status other than 200."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        if head[0].split()[1] != "200":
            raise KitError(f"A server answered: {head[0]}")
        pairs = (line.partition(": ") for line in head[1:] if line)
        return {name.lower(): value for name, _, value in pairs}

    async def _lines(self) -> AsyncIterator[bytes]:
        """Yield the lines of a chunked body."""
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
