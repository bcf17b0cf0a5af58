"""Server-sent events over plain ASGI."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from serving.errors import ServiceError, to_service_error


def named_event(data: Mapping[str, Any]) -> bytes:
    """Return an event whose name is also the `type` in its data."""
    return b"event: %s\ndata: %s\n\n" % (data["type"].encode(), orjson.dumps(data))


def _error_event(error: ServiceError) -> bytes:
    return b"data: " + error.body() + b"\n\n"


class EventStream(Response):
    """Send each event at once, without buffering.

    An error before the first event is raised and becomes an HTTP error; a later one is sent as the last event, in the
    words of `last_event`. The generator is closed however the stream ends.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        events: AsyncGenerator[bytes, None],
        seconds: float,
        headers: Mapping[str, str],
        last_event: Callable[[ServiceError], bytes] = _error_event,
    ) -> None:
        unbuffered = {"cache-control": "no-cache", "x-accel-buffering": "no"}
        super().__init__(headers={**unbuffered, **headers})
        del self.headers["content-length"]
        self._events = events
        self._seconds = seconds
        self._last_event = last_event

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send the events."""
        started = False
        async with aclosing(self._events) as events:
            try:
                async with asyncio.timeout(self._seconds):
                    async for event in events:
                        if not started:
                            started = True
                            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                        await send({"type": "http.response.body", "body": event, "more_body": True})
            except Exception as error:
                if not started:
                    raise
                if (responded := scope.get("state", {}).get("responded")) is not None:
                    responded.broke = True
                last = self._last_event(to_service_error(error))
                await send({"type": "http.response.body", "body": last, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
