"""The outermost middleware: it sees each request and its response, and tells the metrics, the log and the traces."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.ledger.account import Account, Responded
from serving.ledger.entry import ANONYMOUS, pinned
from serving.observability.metrics import OTHER_ROUTE, Metrics

REQUEST_ID = "x-request-id"
_plain_id = re.compile(r"[\x21-\x7e]{1,128}")
Told = Callable[[dict[str, Any], str], None]


def request_id(scope: Scope) -> str:
    """Return the id of a request: the client's own if it is plain, or a new one; the same for the whole request."""
    state: dict[str, Any] = scope.setdefault("state", {})
    if "request_id" not in state:
        asked = Headers(scope=scope).get(REQUEST_ID, "")
        state["request_id"] = asked if _plain_id.fullmatch(asked) else uuid.uuid4().hex
    return str(state["request_id"])


class Observed:
    """Watch every request. `told` gets what is known about each at its end: ids, names and numbers, never text.

    Its second argument is the client's header `traceparent`.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, told: Told) -> None:
        self.app = app
        self._metrics, self._told = metrics, told

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and look at what is sent."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        id, responded, begun = request_id(scope), Responded(), time.perf_counter()
        scope["state"]["responded"] = responded

        async def watch(message: Message) -> None:
            if message["type"] == "http.response.start":
                responded.status = message["status"]
            elif not message.get("more_body", False):
                responded.complete = True
            await send(message)

        with self._metrics.running.track_inprogress():
            try:
                await self.app(scope, receive, watch)
            finally:
                facts = _facts(scope, responded)
                self._metrics.responded(facts["route"], responded.status)
                facts |= {"request_id": id, "seconds": round(time.perf_counter() - begun, 4)}
                self._told(facts, Headers(scope=scope).get("traceparent", ""))


def _facts(scope: Scope, responded: Responded) -> dict[str, Any]:
    """Return what may be known about a request: of its path only the declared route, because a path may hold text."""
    state = scope["state"]
    facts: dict[str, Any] = {
        "method": scope["method"] if scope["method"].isalpha() and len(scope["method"]) < 10 else OTHER_ROUTE,
        "route": getattr(scope.get("route"), "path", OTHER_ROUTE),
        "status": responded.status,
        "outcome": responded.outcome,
        "key": getattr(state.get("caller"), "key_id", ANONYMOUS),
    }
    account: Account | None = state.get("account")
    if account is not None:
        entry = account.entry
        facts |= {"bundle": pinned(entry.name, entry.bundle), "prompt_tokens": account.prompt_tokens}
        facts["completion_tokens"] = account.completion_tokens
        if account.first_token is not None:
            facts["first_token_seconds"] = round(account.first_token, 4)
    return facts
