"""Routes that read the plain request themselves; FastAPI gets their types for the documentation only.

FastAPI would parse a body of 32 MB on the event loop, twice. Here its bytes go to whoever may take the time.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from serving.errors import ServiceError

Answer = Callable[[Request], Coroutine[Any, Any, Response]]
_JSON = re.compile(r"application/(json|[\w.+-]+\+json)\s*(;|$)", re.IGNORECASE)


class Documented:
    """An endpoint: what answers, and the types of its body and its headers."""

    def __init__(self, answer: Answer, body: type[BaseModel], **headers: Any) -> None:
        self.answer = answer
        self.__name__ = body.__name__
        kind = inspect.Parameter.KEYWORD_ONLY
        parameters = [inspect.Parameter("body", kind, annotation=body)]
        parameters += [inspect.Parameter(name, kind, annotation=type_, default=None) for name, type_ in headers.items()]
        self.__signature__ = inspect.Signature(parameters)

    async def __call__(self, **_: Any) -> Response:
        """Never called: the route takes `answer`."""
        raise NotImplementedError


class DocumentedRoute(APIRoute):
    """A route to a `Documented` endpoint."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers."""
        if isinstance(self.endpoint, Documented):
            return self.endpoint.answer
        return super().get_route_handler()


async def json_body(request: Request) -> bytes:
    """Return the bytes of a body that says it is JSON.

    Raises ServiceError: 415 where it says otherwise, 422 where it is missing.
    """
    if not _JSON.match(request.headers.get("content-type", "")):
        message = "Send the body as JSON, with the header content-type: application/json."
        raise ServiceError(415, "not_json", message)
    body = await request.body()
    if not body.strip():
        raise ServiceError(422, "invalid_value", "The body is missing.")
    return body
