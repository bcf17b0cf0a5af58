"""How much each key may ask for: requests, tokens, requests at once. The library `limits` counts in its windows."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from limits import RateLimitItem, RateLimitItemPerDay, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.util import WindowStats

from serving.errors import ServiceError
from serving.guard.caller import Caller
from serving.guard.fairness.asking import Asking
from serving.settings import Settings


class Quotas:
    """Count what each key uses, and refuse what is beyond its limits: those of the key, else those of the settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._windows = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._running: Counter[str] = Counter()

    async def admit(self, caller: Caller) -> dict[str, str]:
        """Count a request, and return the headers that say what is left. Raises ServiceError (429) beyond a limit."""
        headers: dict[str, str] = {}
        for name, item in self._token_limits(caller).items():
            stats = await self._windows.get_window_stats(item, name, caller.key_id)
            headers |= _headers("tokens", item, stats)
            if stats.remaining <= 0:
                raise _beyond(f"This key has used its {item.amount} tokens of {_span(item)}.", stats, headers)
        if (most := self._most(caller, "requests_per_minute")) is not None:
            item = RateLimitItemPerMinute(most)
            allowed = await self._windows.hit(item, "requests", caller.key_id)
            stats = await self._windows.get_window_stats(item, "requests", caller.key_id)
            headers |= _headers("requests", item, stats)
            if not allowed:
                raise _beyond(f"This key may send {most} requests a minute.", stats, headers)
        return headers

    async def spend(self, request: Asking, tokens: int) -> None:
        """Count tokens that a request read or wrote; an answer that goes beyond the limit fills the window."""
        caller = request.caller
        for name, item in self._token_limits(caller).items():
            stats = await self._windows.get_window_stats(item, name, caller.key_id)
            if (counted := min(tokens, stats.remaining)) > 0:
                await self._windows.hit(item, name, caller.key_id, cost=counted)

    @contextmanager
    def running(self, caller: Caller) -> Iterator[None]:
        """Count a request while the block runs. Raises ServiceError (429) if as many of the key run as may."""
        most = self._most(caller, "requests_at_once")
        if most is not None and self._running[caller.key_id] >= most:
            headers = {"retry-after": "1", "retry-after-ms": "1000"}
            message = f"This key may have {most} requests at once. Wait for one to end."
            raise ServiceError(429, "too_many_requests_at_once", message, headers=headers)
        self._running[caller.key_id] += 1
        try:
            yield
        finally:
            self._running[caller.key_id] -= 1
            if not self._running[caller.key_id]:
                del self._running[caller.key_id]

    def _token_limits(self, caller: Caller) -> Mapping[str, RateLimitItem]:
        """Return the limits of tokens that a key has: the window of a minute last, because its headers are shown."""
        day, minute = self._most(caller, "tokens_per_day"), self._most(caller, "tokens_per_minute")
        found: dict[str, RateLimitItem] = {}
        if day is not None:
            found["tokens_day"] = RateLimitItemPerDay(day)
        if minute is not None:
            found["tokens_minute"] = RateLimitItemPerMinute(minute)
        return found

    def _most(self, caller: Caller, name: str) -> int | None:
        """Return a limit of a key: its own, or that of the settings for every key."""
        own: int | None = getattr(caller.limits, name)
        general: int | None = getattr(self._settings.key_limits, name)
        return general if own is None else own


def _headers(what: str, item: RateLimitItem, stats: WindowStats) -> dict[str, str]:
    reset = f"{_seconds(stats)}s"
    values = {"limit": str(item.amount), "remaining": str(max(stats.remaining, 0)), "reset": reset}
    return {f"x-ratelimit-{name}-{what}": value for name, value in values.items()}


def _beyond(message: str, stats: WindowStats, headers: Mapping[str, str]) -> ServiceError:
    wait = _seconds(stats)
    waiting = {"retry-after": str(wait), "retry-after-ms": str(1000 * wait)}
    return ServiceError(429, "rate_limit_exceeded", f"{message} Try again in {wait} s.", headers={**headers, **waiting})


def _seconds(stats: WindowStats) -> int:
    return max(math.ceil(stats.reset_time - time.time()), 1)


def _span(item: RateLimitItem) -> str:
    return "a day" if item.GRANULARITY.name == "day" else "a minute"
