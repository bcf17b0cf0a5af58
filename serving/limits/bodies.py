"""The bodies of requests: their size, the time that each may take to arrive, and the memory of all together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.datastructures import Headers
from starlette.types import Receive, Scope

from serving.errors import ServiceError
from serving.settings import Settings


class Bodies:
    """Reads bodies. A request does not count as running while its body arrives, but its bytes count."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._held = 0

    @asynccontextmanager
    async def body(self, scope: Scope, receive: Receive) -> AsyncIterator[bytes]:
        """Read a body, whose bytes count until the end of the block.

        Raises ServiceError: 413 if it is too large, 408 if it is too slow, 503 if all bodies together are too large.
        """
        pieces: list[bytes] = []
        try:
            yield await self._read(scope, receive, pieces)
        finally:
            self._held -= sum(map(len, pieces))

    async def _read(self, scope: Scope, receive: Receive, pieces: list[bytes]) -> bytes:
        declared = Headers(scope=scope).get("content-length", "0")
        if declared.isdigit() and int(declared) > self._settings.body_bytes:
            raise self._too_large()
        try:
            async with asyncio.timeout(self._settings.body_seconds):
                return await self._arrived(receive, pieces)
        except TimeoutError:
            message = "The request body did not arrive in time. Send it again."
            raise ServiceError(408, "body_too_slow", message) from None

    async def _arrived(self, receive: Receive, pieces: list[bytes]) -> bytes:
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ServiceError(400, "client_left", "The client disconnected before its request was complete.")
            pieces.append(message.get("body", b""))
            size += len(pieces[-1])
            self._held += len(pieces[-1])
            if size > self._settings.body_bytes:
                raise self._too_large()
            if self._held > self._settings.all_bodies_bytes:
                full = "The bodies of all requests take as much memory as they may. Try again later."
                raise ServiceError(503, "too_many_bodies", full, headers={"retry-after": "1"})
            more = message.get("more_body", False)
        return b"".join(pieces)

    def _too_large(self) -> ServiceError:
        message = f"The body is larger than {self._settings.body_bytes} bytes. Send less text."
        return ServiceError(413, "body_too_large", message)
