"""A minimal HTTP client on one kept connection, so that it adds the same small time for every server."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

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
        seconds, _ = await self.stream(number, _ANSWER_TOKENS)
        return seconds

    async def stream(self, number: int, tokens: int) -> tuple[float, int]:
        """Stream an answer of exactly `tokens` tokens; return the seconds to its first text, and its count of tokens.

        The count is what the server reports at the end.
        """
        fields = {"stream": True, "stream_options": {"include_usage": True}, "ignore_eos": True}
        start = time.perf_counter()
        self._send("/v1/chat/completions", _chat(number, tokens) | fields)
        await self._head()
        first, written = None, 0
        async for line in self._lines():
            if first is None and _has_text(line):
                first = time.perf_counter() - start
            if b'"usage":{' in line:
                written = int(json.loads(line[6:])["usage"]["completion_tokens"])
        if first is None:
            raise KitError("A server streamed no text.")
        return first, written

    async def short_answer(self, number: int) -> None:
        """Ask for a complete answer of one token."""
        await self.post("/v1/chat/completions", _chat(number, 1))

    async def post(self, path: str, fields: dict[str, Any]) -> bytes:
        """Return the body of a complete answer."""
        self._send(path, fields)
        length = int((await self._head())["content-length"])
        return await self._reader.readexactly(length)

    def _send(self, path: str, fields: dict[str, Any]) -> None:
        body = json.dumps(fields).encode()
        head = f"POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json"
        self._writer.write(f"{head}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)

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


def _chat(number: int, tokens: int) -> dict[str, Any]:
    message = {"role": "user", "content": _TEXT.format(number=number)}
    return {"messages": [message], "max_tokens": tokens, "temperature": 0}


def _has_text(line: bytes) -> bool:
    if not line.startswith(b"data: {"):
        return False
    choices = json.loads(line[6:]).get("choices") or [{}]
    return bool(choices[0].get("delta", {}).get("content"))
