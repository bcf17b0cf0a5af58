"""Routes that get the raw request body; FastAPI uses their types only for the documentation.

FastAPI would parse a body of 32 MB on the event loop, twice. These routes can send the bytes to a worker process.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Coroutine
from types import UnionType
from typing import Any

from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from serving.errors import ServiceError

Answer = Callable[[Request], Coroutine[Any, Any, Response]]
_JSON = re.compile(r"application/(json|[\w.+-]+\+json)\s*(;|$)", re.IGNORECASE)


class RawEndpoint:
    """An endpoint: the function that answers, and the documented types of its body and headers."""

    def __init__(self, answer: Answer, body: type[BaseModel] | UnionType, **headers: Any) -> None:
        self.answer = answer
        self.__name__ = getattr(body, "__name__", str(body))
        kind = inspect.Parameter.KEYWORD_ONLY
        parameters = [inspect.Parameter("body", kind, annotation=body)]
        parameters += [inspect.Parameter(name, kind, annotation=type_, default=None) for name, type_ in headers.items()]
        self.__signature__ = inspect.Signature(parameters)

    async def __call__(self, **_: Any) -> Response:
        """Never called: the route calls `answer`."""
        raise NotImplementedError


class RawBodyRoute(APIRoute):
    """A route to a `RawEndpoint`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the function that answers."""
        if isinstance(self.endpoint, RawEndpoint):
            return self.endpoint.answer
        return super().get_route_handler()


async def json_body(request: Request) -> bytes:
    """Return the bytes of a JSON body.

    Raises ServiceError: 415 if the content type is not JSON, 422 if the body is empty.
    """
    if not _JSON.match(request.headers.get("content-type", "")):
        message = "Send the body as JSON, with the header content-type: application/json."
        raise ServiceError(415, "not_json", message)
    body = await request.body()
    if not body.strip():
        raise ServiceError(422, "invalid_value", "The request has no body.")
    return body
