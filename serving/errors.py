"""The one shape of every error that leaves the service: {"error": {"message", "type", "param", "code"}}."""

from __future__ import annotations

import json
from collections.abc import Container, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from kit.errors import InputError, KitError
from kit.recipe.wording import words_for
from kit.task import UnreadableAnswer

LARGEST = 4096
_LONGEST_MESSAGE, _LONGEST_PARAM = 3000, 600  # bytes as JSON; the rest of an error is short
_MOST_PROBLEMS = 10
_LONGEST_SEARCH = 1 << 20
_CUT = " […] "
_TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}
NO_RETRY: Mapping[str, str] = {"x-should-retry": "false"}


class ErrorDetail(BaseModel):
    """What is wrong: a sentence, a class of errors, the parameter at fault, and a word for programs."""

    message: str
    type: str
    param: str | None
    code: str


class ErrorBody(BaseModel):
    """Body of every answer that is not a success."""

    error: ErrorDetail


# What the documentation of a generating route says about its errors.
ERROR_RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorBody} for status in (400, 404, 413, 415, 422, 429, 500, 502, 503, 504)
}


class ServiceError(Exception):
    """An error with its HTTP status, ready to be sent."""

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
        """The error as JSON, of at most `LARGEST` bytes whatever a request had in it."""
        kind = _TYPES.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")
        param = None if self.param is None else _shortened(self.param, _LONGEST_PARAM)
        detail = ErrorDetail(message=_shortened(self.message, _LONGEST_MESSAGE), type=kind, param=param, code=self.code)
        return ErrorBody(error=detail).model_dump_json().encode()


def service_error(error: Exception) -> ServiceError:
    """Return what a client is told about an exception.

    Places on the server's disk are left out; an exception that nobody foresaw tells nothing about itself.
    """
    if isinstance(error, ServiceError):
        return error
    if isinstance(error, UnreadableAnswer):
        return ServiceError(502, "unreadable_answer", str(error), headers=NO_RETRY)
    if isinstance(error, TimeoutError):
        return ServiceError(504, "timeout", "The answer took too long.", headers=NO_RETRY)
    if isinstance(error, InputError):
        return refused_input(error)
    if isinstance(error, KitError):
        return ServiceError(503, "engine_error", _sentences(error), headers={"retry-after": "1"})
    return ServiceError(500, "internal_error", "The service failed. The request id names it in the log.")


def refused_input(error: InputError, fields: Container[str] = ()) -> ServiceError:
    """Return the error for a request that was understood and refused; it names the first problem's field, if it is one.

    Any other place, such as a file on the server, is not for clients.
    """
    where = error.problems[0].where if error.problems else ""
    return ServiceError(400, "invalid_input", _sentences(error), where if where.split(".")[0] in fields else None)


def invalid_body(error: ValidationError, body: bytes) -> ServiceError:
    """Return the error for a body that is not JSON, or not of its type.

    400 where it is no JSON or holds a number of more than 64 bits, else 422.
    """
    problems = error.errors(include_url=False, include_input=False)
    first = problems[0]
    if first["type"] == "json_invalid":
        place = _bad_text_at(body)
        reason = str(first["ctx"]["error"]) if place is None else "text holds half of a surrogate pair"
        return ServiceError(400, "invalid_json", f"The body is not JSON: {reason}.", place)
    status, code = (400, "number_too_large") if first["type"] == "number_too_large" else (422, "invalid_value")
    named = [(".".join(map(str, item["loc"])), words_for(item)) for item in problems[:_MOST_PROBLEMS]]
    words = [f"{name}: {what}" if name else what for name, what in named]
    if len(problems) > _MOST_PROBLEMS:
        words.append(f"and {len(problems) - _MOST_PROBLEMS} more")
    return ServiceError(status, code, "; ".join(words), named[0][0] or None)


def _bad_text_at(body: bytes) -> str | None:
    """Return the place of the first text that holds half a surrogate pair: JSON can spell it, text cannot hold it."""
    if b"\\u" not in body or len(body) > _LONGEST_SEARCH:
        return None
    try:
        return next(_bad_texts(json.loads(body), ""), None)
    except (ValueError, RecursionError):
        return None


def _bad_texts(value: Any, place: str) -> Iterator[str]:
    if isinstance(value, str) and any("\ud800" <= char <= "\udfff" for char in value):
        yield place
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _bad_texts(inner, f"{place}.{key}" if place else str(key))


def _shortened(text: str, longest: int) -> str:
    """Return a text that takes at most `longest` bytes as JSON: its beginning and its end, where it is longer."""
    text = text.encode("utf-8", "replace").decode()
    if len(json.dumps(text)) <= longest:
        return text
    half = len(text)
    while len(json.dumps(text[:half] + _CUT + text[-half:])) > longest:
        half = half * 2 // 3
    return text[:half] + _CUT + text[-half:]


def _sentences(error: KitError) -> str:
    return " ".join(f"{problem.what} {problem.next}".strip() for problem in error.problems)
