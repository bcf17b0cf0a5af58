"""The one shape of every error that leaves the service: {"error": {"message", "type", "param", "code"}}."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from kit.errors import InputError, KitError
from kit.task import UnreadableAnswer

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

    def body(self) -> bytes:
        """The error as JSON."""
        kind = _TYPES.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")
        detail = ErrorDetail(message=self.message, type=kind, param=self.param, code=self.code)
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
        return ServiceError(400, "invalid_input", _sentences(error))
    if isinstance(error, KitError):
        return ServiceError(503, "engine_error", _sentences(error), headers={"retry-after": "1"})
    return ServiceError(500, "internal_error", "The service failed. The request id names it in the log.")


def validation_error(problems: Sequence[Any], body: Any) -> ServiceError:
    """Return the error for a body that is not JSON (400), not declared as JSON (415), or not of its type (422)."""
    if problems and problems[0]["type"] == "json_invalid":
        place = problems[0]["loc"][-1]
        return ServiceError(400, "invalid_json", f"The body is not JSON: {problems[0]['ctx']['error']} at {place}.")
    if isinstance(body, bytes):
        return ServiceError(415, "not_json", "Send the body as JSON, with the header content-type: application/json.")
    named = [(".".join(map(str, item["loc"][1:])), str(item["msg"])) for item in problems]
    message = "; ".join(f"{name}: {what}" if name else what for name, what in named)
    return ServiceError(422, "invalid_value", message, named[0][0] or None if named else None)


def _sentences(error: KitError) -> str:
    return " ".join(f"{problem.what} {problem.next}".strip() for problem in error.problems)
