"""Every error response has one shape: {"error": {"message", "type", "param", "code"}}."""

from __future__ import annotations

import json
from collections.abc import Container, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from kit.errors import InputError, KitError
from kit.recipe.wording import words_for
from kit.task import UnreadableAnswer

MAX_BODY_BYTES = 4096
_MAX_MESSAGE_BYTES, _MAX_PARAM_BYTES = 3000, 600  # bytes as JSON; the other fields are short
_MAX_PROBLEMS = 10
_MAX_SEARCHED_BYTES = 1 << 20
_CUT = " […] "
_TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}
NO_RETRY: Mapping[str, str] = {"x-should-retry": "false"}


class ErrorDetail(BaseModel):
    """A sentence for people, the class of error, the parameter at fault, and a code for programs."""

    message: str
    type: str
    param: str | None
    code: str


class ErrorBody(BaseModel):
    """Body of every error response."""

    error: ErrorDetail


# The error responses of a route that generates text, for its OpenAPI documentation.
ERROR_RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorBody} for status in (400, 401, 403, 404, 413, 415, 422, 429, 500, 502, 503, 504)
}


class ServiceError(Exception):
    """An error with its HTTP status, ready to send."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.param = param
        self.headers = dict(headers or {})

    def __reduce__(self) -> tuple[type[ServiceError], tuple[Any, ...]]:
        return type(self), (self.status, self.code, self.message, self.param, self.headers)

    def body(self) -> bytes:
        """The error as JSON, never longer than `MAX_BODY_BYTES`."""
        kind = _TYPES.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")
        param = None if self.param is None else _truncated(self.param, _MAX_PARAM_BYTES)
        detail = ErrorDetail(
            message=_truncated(self.message, _MAX_MESSAGE_BYTES), type=kind, param=param, code=self.code
        )
        return ErrorBody(error=detail).model_dump_json().encode()


def to_service_error(error: Exception) -> ServiceError:
    """Convert an exception into the error that the client gets.

    It names no path on the server's disk, and hides all details of an unexpected exception.
    """
    if isinstance(error, ServiceError):
        return error
    if isinstance(error, UnreadableAnswer):
        return ServiceError(502, "unreadable_answer", str(error), headers=NO_RETRY)
    if isinstance(error, TimeoutError):
        return ServiceError(
            504, "timeout", "The answer took too long. Ask for fewer tokens or send less text.", headers=NO_RETRY
        )
    if isinstance(error, InputError):
        return invalid_input(error)
    if isinstance(error, KitError):
        return ServiceError(503, "engine_error", _sentences(error), headers={"retry-after": "1"})
    return ServiceError(500, "internal_error", "The service failed. Search its log for the request id.")


def invalid_input(error: InputError, fields: Container[str] = ()) -> ServiceError:
    """Return the error for a valid request that a task refused.

    `param` is the location of the first problem if it is a field. Other locations, such as a file on the server, stay
    hidden from clients.
    """
    where = error.problems[0].where if error.problems else ""
    return ServiceError(400, "invalid_input", _sentences(error), where if where.split(".")[0] in fields else None)


def invalid_body(error: ValidationError, body: bytes) -> ServiceError:
    """Return the error for a body that is not JSON or does not match its type.

    The status is 400 if it is not JSON or has a number of more than 64 bits, else 422.
    """
    problems = error.errors(include_url=False, include_input=False)
    first = problems[0]
    if first["type"] == "json_invalid":
        field = _lone_surrogate_at(body)
        reason = str(first["ctx"]["error"]) if field is None else "a string has half of a surrogate pair"
        return ServiceError(400, "invalid_json", f"The body is not JSON: {reason}.", field)
    status, code = (400, "number_too_large") if first["type"] == "number_too_large" else (422, "invalid_value")
    named = [(".".join(map(str, item["loc"])), words_for(item)) for item in problems[:_MAX_PROBLEMS]]
    words = [f"{name}: {what}" if name else what for name, what in named]
    if len(problems) > _MAX_PROBLEMS:
        words.append(f"and {len(problems) - _MAX_PROBLEMS} more")
    return ServiceError(status, code, "; ".join(words), named[0][0] or None)


def _lone_surrogate_at(body: bytes) -> str | None:
    """Return the field of the first string with half a surrogate pair: JSON can escape it, but it is not valid text."""
    if b"\\u" not in body or len(body) > _MAX_SEARCHED_BYTES:
        return None
    try:
        return next(_lone_surrogates(json.loads(body), ""), None)
    except (ValueError, RecursionError):
        return None


def _lone_surrogates(value: Any, field: str) -> Iterator[str]:
    if isinstance(value, str) and any("\ud800" <= char <= "\udfff" for char in value):
        yield field
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _lone_surrogates(inner, f"{field}.{key}" if field else str(key))


def _truncated(text: str, longest: int) -> str:
    """Cut the middle out of a text that takes more than `longest` bytes as JSON."""
    text = text.encode("utf-8", "replace").decode()
    if len(json.dumps(text)) <= longest:
        return text
    half = len(text)
    while len(json.dumps(text[:half] + _CUT + text[-half:])) > longest:
        half = half * 2 // 3
    return text[:half] + _CUT + text[-half:]


def _sentences(error: KitError) -> str:
    return " ".join(f"{problem.what} {problem.next}".strip() for problem in error.problems)
