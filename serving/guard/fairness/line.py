"""The line in front of the routes: how many requests are answered at once, who waits, and who is sent away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from serving.errors import ServiceError
from serving.guard.fairness.asking import Asking
from serving.guard.fairness.turns import Turns
from serving.settings import Settings


class Line:
    """Answer `concurrent_requests` at once; `waiting_requests` more wait, for at most `waiting_seconds`.

    The keys take turns. A key of which nobody waits may always wait with one request, however long the line is.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._turns = Turns(settings.concurrent_requests)

    @asynccontextmanager
    async def turn(self, request: Asking) -> AsyncIterator[None]:
        """Wait for the request's turn. Raises ServiceError: 429 if the line is full, 503 after too long a wait."""
        key, turns = request.caller.key_id, self._turns
        most = self._settings.waiting_requests
        if turns.full and turns.waiting >= most and (most == 0 or turns.waits(key)):
            raise _too_many(self._settings.concurrent_requests)
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(self._settings.waiting_seconds):
                    await stack.enter_async_context(turns.turn(key, request))
            except TimeoutError:
                raise _too_slow() from None
            yield


def _too_many(limit: int) -> ServiceError:
    limits = {"limit": str(limit), "remaining": "0", "reset": "1s"}
    headers = {"retry-after": "1", "retry-after-ms": "1000"}
    headers |= {f"x-ratelimit-{name}-requests": value for name, value in limits.items()}
    message = "The service is answering as many requests as it may. Try again later."
    return ServiceError(429, "too_many_requests", message, headers=headers)


def _too_slow() -> ServiceError:
    headers = {"retry-after": "5", "retry-after-ms": "5000"}
    return ServiceError(
        503, "overloaded", "The request waited too long for its turn. Try again later.", headers=headers
    )
