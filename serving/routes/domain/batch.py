"""Batches of typed requests: their form, and the answer with a result or an error for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Optional, cast

import orjson
from pydantic import BaseModel, Field, create_model

from kit.task import Task
from serving.errors import ErrorDetail, ServiceError

MOST_REQUESTS = 256
AT_ONCE = 16  # requests of one batch that are answered at the same time


def batch_items(body: bytes) -> list[bytes]:
    """Return the requests of a batch, each as JSON. Raises ServiceError (400 or 422) if the body is no batch."""
    try:
        batch = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ServiceError(400, "invalid_json", f"The body is not JSON: {error}.") from None
    requests = batch.get("requests") if isinstance(batch, dict) else None
    if not isinstance(requests, list) or not 1 <= len(requests) <= MOST_REQUESTS:
        message = f"requests: send a list of 1 to {MOST_REQUESTS} requests."
        raise ServiceError(422, "invalid_value", message, "requests")
    return [orjson.dumps(request) for request in requests]


@dataclass(frozen=True)
class Answered:
    """A response as JSON, and what wrote it: a model ("generated") or the task's own rule ("rule")."""

    response: bytes
    disclosure: str


Result = Answered | ServiceError


def batch_body(results: Sequence[Result]) -> bytes:
    """Return the answer to a batch: for each request its response, or its error, in the order of the requests."""
    parts = [b'{"index":%d,' % index + _part(result) + b"}" for index, result in enumerate(results)]
    return b'{"object":"list","results":[' + b",".join(parts) + b"]}"


def _part(result: Result) -> bytes:
    if isinstance(result, Answered):
        return b'"disclosure":"' + result.disclosure.encode() + b'","response":' + result.response
    return b'"error":' + _detail(result)


def _detail(error: ServiceError) -> bytes:
    return orjson.dumps(orjson.loads(error.body())["error"])


def batch_types(task: Task[Any, Any]) -> tuple[type[BaseModel], type[BaseModel]]:
    """Return the documented types of a batch of a task's requests, and of its answer."""
    name = "".join(part.capitalize() for part in task.name.replace("-", "_").split("_"))
    requests = Annotated[list[task.request_type], Field(min_length=1, max_length=MOST_REQUESTS)]  # type: ignore[name-defined]
    result = create_model(
        f"{name}BatchResult",
        __doc__="The response to one request and what wrote it (a model: generated; a rule), or why there is none.",
        index=(int, ...),
        disclosure=(str | None, None),
        response=(cast(Any, Optional[task.response_type]), None),  # noqa: UP045
        error=(ErrorDetail | None, None),
    )
    return (
        create_model(f"{name}Batch", __doc__="Several requests at once.", requests=(requests, ...)),
        create_model(
            f"{name}BatchResults",
            __doc__="A result for each request, in their order.",
            object=(str, ...),
            results=(list[result], ...),  # type: ignore[valid-type]
        ),
    )
