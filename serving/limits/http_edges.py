"""What HTTP allows and this service does not, refused by name; and what old clients need."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from serving.errors import ServiceError

_DISCARD_SECONDS = 5.0


def refuse_odd_request(scope: Scope) -> None:
    """Raise ServiceError for a compressed body (415), and for a missing or repeated Host (400, RFC 9112, 3.2)."""
    headers = Headers(scope=scope)
    encodings = {each.strip().lower() for each in headers.get("content-encoding", "").split(",")} - {"", "identity"}
    if encodings:
        what = f"The body is compressed ({', '.join(sorted(encodings))}). Send it without content-encoding."
        raise ServiceError(415, "unsupported_encoding", what)
    hosts = headers.getlist("host")
    if len(hosts) > 1:
        raise ServiceError(400, "invalid_host", "The request has more than one Host header. Send one.")
    if not hosts and scope["http_version"] == "1.1":
        raise ServiceError(400, "invalid_host", "The request has no Host header, which HTTP/1.1 needs. Send one.")


async def discard_body(receive: Receive, limit: int) -> None:
    """Read what a refused client still sends, up to a limit: it reads no answer before it has sent its request."""
    size = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(_DISCARD_SECONDS):
            while size <= limit:
                message = await receive()
                size += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return


class PatientSend:
    """A `send` that waits for a client that reads slowly, but not for ever: its answer would keep an engine's slot."""

    def __init__(self, send: Send, seconds: float) -> None:
        self._send, self._seconds = send, seconds
        self._stuck = False

    async def __call__(self, message: Message) -> None:
        """Send a message. Raises ServiceError if the client takes none of it in time, and at once from then on."""
        try:
            if not self._stuck:
                async with asyncio.timeout(self._seconds):
                    await self._send(message)
                return
        except TimeoutError:
            self._stuck = True
        raise ServiceError(408, "client_stuck", "The client does not read its answer.")


def as_get(scope: Scope, send: Send) -> tuple[Scope, Send]:
    """Turn a HEAD request into a GET (RFC 9110, 9.3.2), and return it with a `send` that drops the body."""

    async def without_body(message: Message) -> None:
        if message["type"] != "http.response.body":
            await send(message)
        elif not message.get("more_body", False):
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    return {**scope, "method": "GET"}, without_body


class WholeAnswer:
    """A `send` for HTTP/1.0, which knows no chunks: a stream is kept until its end, and sent with its length."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None
        self._body: list[bytes] = []

    async def __call__(self, message: Message) -> None:
        """Pass an answer of known length on; keep the pieces of any other until the last one."""
        if message["type"] == "http.response.start" and b"content-length" not in dict(message["headers"]):
            self._start = message
        elif self._start is None:
            await self._send(message)
        else:
            self._body.append(message.get("body", b""))
            if not message.get("more_body", False):
                await self._flush(self._start)

    async def _flush(self, start: Message) -> None:
        body = b"".join(self._body)
        length = (b"content-length", str(len(body)).encode())
        await self._send({**start, "headers": [*start["headers"], length]})
        await self._send({"type": "http.response.body", "body": body, "more_body": False})
