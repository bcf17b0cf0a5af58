"""Server-sent events over plain ASGI."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from serving.errors import to_service_error


class EventStream(Response):
    """Send each event at once, without buffering.

    An error before the first event is raised and becomes an HTTP error; a later one is sent as the last event. The
    generator is closed however the stream ends. `error_name` is the line before an error's data.
    """

    media_type = "text/event-stream"

    def __init__(
        self, events: AsyncGenerator[bytes, None], seconds: float, headers: Mapping[str, str], error_name: bytes = b""
    ) -> None:
        unbuffered = {"cache-control": "no-cache", "x-accel-buffering": "no"}
        super().__init__(headers={**unbuffered, **headers})
        del self.headers["content-length"]
        self._events = events
        self._seconds = seconds
        self._error_name = error_name

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
                last = self._error_name + b"data: " + to_service_error(error).body() + b"\n\n"
                await send({"type": "http.response.body", "body": last, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
