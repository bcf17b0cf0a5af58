"""A trial: a second bundle answers a share of the requests to an alias, or copies of all of them.

With a share, a client's key decides, so that a client always meets the same bundle. Without one, the client gets the
answer of the alias's bundle, and the other bundle answers a copy afterwards (a shadow); nobody sees that answer, but it
is compared.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import uuid
from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.types import ASGIApp, Message, Scope

from serving.guard.fairness.asking import SHADOW, asking
from serving.models.catalogue import Model, Pointed
from serving.observability.stack import safe_trace

KEY_HEADER = "x-domainkit-key"
_AT_ONCE = 4  # copies that run at the same time; more would slow the requests of clients
_COMPARED_BYTES = 4 * 1024 * 1024
_NAMES = frozenset(("id", "created", "created_at", "model", "system_fingerprint"))  # differ between equal answers
_log = logging.getLogger(__name__)


def is_in_share(alias: str, key: str, percent: float) -> bool:
    """Return whether a key is among the first `percent` of 100; a larger share keeps the keys of a smaller one."""
    drawn = hashlib.sha256(f"{alias}\0{key}".encode()).digest()
    return int.from_bytes(drawn[:8]) / 2**64 * 100 < percent


def chosen(pointed: Pointed, key: str | None) -> Model:
    """Return the model of an alias for a client's key; without a key each request is drawn by itself."""
    if pointed.trial is None or not is_in_share(pointed.alias, key or uuid.uuid4().hex, pointed.percent):
        return pointed.model
    return pointed.trial


@dataclass(eq=False)
class Watched:
    """A request that a shadow will answer again, and the response that its client got."""

    pointed: Pointed
    status: int = 0
    body: bytearray = field(default_factory=bytearray)

    def saw(self, message: Message) -> None:
        """Keep what is sent to the client."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif len(self.body) <= _COMPARED_BYTES:
            self.body += message.get("body", b"")


class Shadows:
    """Answers copies of requests in the background, a few at a time; what would be more is left out and counted."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._running: set[asyncio.Task[None]] = set()

    def answer(self, scope: Scope, body: bytes, watched: Watched) -> None:
        """Start to answer a copy of a finished request."""
        if len(self._running) >= _AT_ONCE:
            watched.pointed.counts.left_out += 1
            return
        task = asyncio.create_task(self._answer(scope, body, watched))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _answer(self, scope: Scope, body: bytes, watched: Watched) -> None:
        asking.set(SHADOW)
        state: dict[str, Any] = {"forced": watched.pointed.trial}
        copy = Watched(watched.pointed)
        unread: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Message:
            return unread.pop() if unread else await asyncio.get_running_loop().create_future()

        async def send(message: Message) -> None:
            copy.saw(message)

        try:
            await self._app({**scope, "state": state}, receive, send)
        except Exception as error:
            _log.warning("The bundle on trial for %s failed.\n%s", watched.pointed.alias, safe_trace(error))
        finally:
            for release in state.get("leases") or ():
                release()
        _count(watched, copy)


def _count(watched: Watched, copy: Watched) -> None:
    counts = watched.pointed.counts
    ours, theirs = _comparable(watched), _comparable(copy)
    if copy.status != 200:
        counts.failed += 1
    elif ours is None or theirs is None:
        counts.not_compared += 1
    elif ours == theirs:
        counts.same += 1
    else:
        counts.different += 1


def _comparable(watched: Watched) -> Any | None:
    """Return an answer without what names it; None for a stream, an error or a very long answer."""
    try:
        return _unnamed(orjson.loads(watched.body)) if watched.status == 200 else None
    except ValueError:
        return None


def _unnamed(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _unnamed(each) for name, each in value.items() if name not in _NAMES}
    return [_unnamed(each) for each in value] if isinstance(value, list) else value
