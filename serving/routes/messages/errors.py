"""Errors in the shape that Anthropic's clients read, for the routes under /v1/messages."""

from __future__ import annotations

from types import MappingProxyType

import orjson

from serving.errors import ServiceError

MESSAGES, COUNT = "/messages", "/messages/count_tokens"
_TYPES = MappingProxyType({
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
})  # fmt: skip


def speaks_anthropic(path: str) -> bool:
    """Whether the errors of a path have Anthropic's shape."""
    return path.removeprefix("/v1") in (MESSAGES, COUNT)


def anthropic_error(error: ServiceError, request_id: str) -> bytes:
    """Return the error as JSON, with our own `param` and `code` in it; never longer than about `MAX_BODY_BYTES`."""
    detail = orjson.loads(error.body())["error"]
    kind = _TYPES.get(error.status, "invalid_request_error" if error.status < 500 else "api_error")
    return orjson.dumps({"type": "error", "error": {**detail, "type": kind}, "request_id": request_id})
