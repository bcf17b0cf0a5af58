"""ASGI middleware around every route: request limits, response headers, cancellation when the client disconnects."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Container, Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.errors import ServiceError, to_service_error
from serving.limits.http_edges import WholeAnswer, as_get, discard_body, refuse_odd_request
from serving.models.catalogue import Deployed, exposed_previews
from serving.models.trials import Shadows
from serving.observability.observed import REQUEST_ID, request_id
from serving.observability.stack import safe_trace
from serving.readiness import Readiness
from serving.routes.messages.errors import anthropic_error, speaks_anthropic
from serving.scores import PATH as SCORES_PATH
from serving.settings import Settings

GENERATED_HEADERS = {"x-domainkit-disclosure": "generated"}  # on every response that a model wrote
_log = logging.getLogger(__name__)


def error_response(error: ServiceError) -> Response:
    """Return the HTTP response for an error."""
    return Response(error.body(), error.status, error.headers, "application/json")


def _anthropic_response(error: ServiceError, request_id: str) -> Response:
    headers = {**error.headers, "request-id": request_id}
    return Response(anthropic_error(error, request_id), error.status, headers, "application/json")


def record_bundle(scope: Scope, deployed: Deployed) -> None:
    """Record which bundle answers a request; the response headers name it."""
    scope["state"]["deployed"] = deployed


class ServiceMiddleware:
    """Let `open_paths` through at any time, and all other paths only when the service is ready."""

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        readiness: Readiness,
        deployed: Sequence[Deployed],
        open_paths: Container[str],
    ) -> None:
        self.app = app
        self.settings = settings
        self.readiness = readiness
        self.default = deployed[0]
        self.open_paths = open_paths
        self._overridden = bool(exposed_previews(settings, deployed))
        self._running = 0
        self._shadows = Shadows(app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request; pass everything else through."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope.setdefault("state", {})
        if scope["method"] == "HEAD":
            scope, send = as_get(scope, send)
        if scope["http_version"] == "1.0":
            send = WholeAnswer(send)
        exchange = _Exchange(scope, send, self._identity_headers)
        try:
            await self._admit(scope, receive, exchange.send)
        except Exception as error:
            await exchange.fail(error)
        finally:
            for release in scope["state"].get("leases", ()):
                release()

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application, or raise ServiceError if the service is not ready or has too many requests."""
        refuse_odd_request(scope)
        if scope["path"] in self.open_paths:
            await self.app(scope, receive, send)
            return
        try:
            self.readiness.models()
            if self._running >= self.settings.concurrent_requests:
                raise _too_many(self.settings.concurrent_requests)
        except ServiceError:
            await discard_body(receive, self.settings.body_bytes)
            raise
        self._running += 1
        try:
            body = await self._body(scope, receive)
            await _run_until_disconnect(self.app, scope, body, receive, send)
            if (watched := scope["state"].get("watched")) is not None:
                self._shadows.answer(scope, body, watched)
        finally:
            self._running -= 1

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        limit = self.settings.body_bytes
        too_large = ServiceError(413, "body_too_large", f"The body is larger than {limit} bytes. Send less text.")
        declared = Headers(scope=scope).get("content-length", "0")
        if declared.isdigit() and int(declared) > limit:
            raise too_large
        try:
            async with asyncio.timeout(self.settings.body_seconds):
                return await _read_body(receive, limit, too_large)
        except TimeoutError:
            raise ServiceError(
                408, "body_too_slow", "The request body did not arrive in time. Send it again."
            ) from None

    def _identity_headers(self, scope: Scope) -> dict[str, str]:
        """Headers that name the bundle and its status; every bundle is a preview until this process verified it."""
        deployed: Deployed = scope["state"].get("deployed", self.default)
        headers = {
            "x-domainkit-status": deployed.status if self.readiness.ready else "preview",
            "x-domainkit-bundle": deployed.bundle.digest,
            "link": f'<{SCORES_PATH}>; rel="describedby"',
        }
        if self.settings.signatures_required:
            headers["x-domainkit-signature"] = "signed" if deployed.signature == "signed" else "unsigned"
        return headers | ({"x-domainkit-override": "expose-preview"} if self._overridden else {})


def _too_many(limit: int) -> ServiceError:
    limits = {"limit": str(limit), "remaining": "0", "reset": "1s"}
    headers = {"retry-after": "1", "retry-after-ms": "1000"}
    headers |= {f"x-ratelimit-{name}-requests": value for name, value in limits.items()}
    message = "The service is answering as many requests as it may. Try again later."
    return ServiceError(429, "too_many_requests", message, headers=headers)


class _Exchange:
    """One request and its response: holds the request id and whether the response has started."""

    def __init__(self, scope: Scope, send: Send, headers: Callable[[Scope], dict[str, str]]) -> None:
        self.id = request_id(scope)
        self._scope, self._send, self._headers = scope, send, headers
        self._started = False

    async def send(self, message: Message) -> None:
        """Send a message; the first one gets the headers."""
        if message["type"] == "http.response.start":
            self._started = True
            headers = MutableHeaders(scope=message)
            headers.update({REQUEST_ID: self.id} | self._headers(self._scope))
        if (watched := self._scope["state"].get("watched")) is not None:
            watched.saw(message)
        await self._send(message)

    async def fail(self, error: Exception) -> None:
        """Send the error; log where an unexpected one came from: its message may hold a client's text."""
        response = to_service_error(error)
        if response.code == "internal_error":
            _log.error("Request %s failed.\n%s", self.id, safe_trace(error))
        if not self._started:
            anthropic = speaks_anthropic(self._scope["path"])
            answer = _anthropic_response(response, self.id) if anthropic else error_response(response)
            await answer(self._scope, _never, self.send)


async def _read_body(receive: Receive, limit: int, too_large: ServiceError) -> bytes:
    pieces: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ServiceError(400, "client_left", "The client disconnected before its request was complete.")
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > limit:
            raise too_large
        more = message.get("more_body", False)
    return b"".join(pieces)


async def _run_until_disconnect(app: ASGIApp, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
    """Run the application; cancel it when the client disconnects, to free the engine's slot."""
    unread: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return unread.pop() if unread else await _never()

    running = asyncio.ensure_future(app(scope, replay, send))
    leaving = asyncio.ensure_future(_client_disconnect(receive))
    try:
        await asyncio.wait({running, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
    finally:
        running.cancel()
        leaving.cancel()
        await asyncio.gather(running, leaving, return_exceptions=True)


async def _client_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _never() -> Message:
    never: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
    return await never
