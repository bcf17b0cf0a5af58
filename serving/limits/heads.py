"""A limit on the head of a request (RFC 9110, 5.4): its bytes, its headers, and the time that it may take to arrive."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.errors import ServiceError

MOST_BYTES = 16 * 1024
MOST_HEADERS = 100
_SECONDS = 15.0  # also for a connection that sends nothing at first
_REASONS = {408: b"Request Timeout", 431: b"Request Header Fields Too Large"}


def refuse_large_head(scope: Scope) -> None:
    """Raise ServiceError (431) for a head that is larger than it may be, but arrived at once."""
    size = len(scope.get("raw_path", b"")) + len(scope.get("query_string", b""))
    size += sum(len(name) + len(value) + 4 for name, value in scope["headers"])
    if size > MOST_BYTES or len(scope["headers"]) > MOST_HEADERS:
        raise _too_large()


def _too_large() -> ServiceError:
    message = f"The request line and the headers have more than {MOST_BYTES} bytes or {MOST_HEADERS} headers."
    return ServiceError(431, "headers_too_large", message)


def _too_slow() -> ServiceError:
    return ServiceError(408, "headers_too_slow", f"The headers did not arrive within {_SECONDS:g} seconds.")


class BoundedHeads(HttpToolsProtocol):
    """Uvicorn's protocol, which ends a connection whose head is too large or too slow, before it has arrived.

    Bytes that bring neither the end of a head nor a part of a body are those of a head, of an extension of a chunk, or
    of trailers: the parser keeps them, so that they have a limit.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._in_head = self._progressed = False
        self._unproductive = 0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first head."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes, and count those that bring no progress."""
        self._progressed = False
        super().data_received(data)
        self._unproductive = 0 if self._progressed else self._unproductive + len(data)
        if self._unproductive > MOST_BYTES:
            self._end(_too_large())

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._in_head = self._progressed = True
        if self._timer is None:
            self._await_head()

    def on_headers_complete(self) -> None:
        """A head has ended."""
        self._in_head, self._progressed = False, True
        self._stop_waiting()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of a body has arrived."""
        self._progressed = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request has arrived."""
        self._progressed = True
        super().on_message_complete()

    def _await_head(self) -> None:
        self._timer = self.loop.call_later(_SECONDS, lambda: self._end(_too_slow()))

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end(self, error: ServiceError) -> None:
        """Close the connection, after an answer if it has sent a part of a head and gets no other answer now."""
        self._stop_waiting()
        if self.transport.is_closing():
            return
        if self._in_head and (self.cycle is None or self.cycle.response_complete):
            body = error.body()
            lines = [b"HTTP/1.1 %d %s" % (error.status, _REASONS[error.status]), b"content-type: application/json"]
            lines += [b"content-length: %d" % len(body), b"connection: close", b"", body]
            self.transport.write(b"\r\n".join(lines))
        self.transport.close()
