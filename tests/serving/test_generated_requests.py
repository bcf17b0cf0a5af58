"""Generated requests to every documented route: no internal error, and only documented answers."""

from __future__ import annotations

import os
from typing import Any, cast

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.serving.http import Service

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
Operation = schemathesis.APIOperation[Any, Any, Any, Any]
FEW = settings(
    max_examples=int(os.environ.get("DOMAINKIT_GENERATED_REQUESTS", "10")),  # more by hand, from time to time
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def problems_of(operation: Operation, mode: GenerationMode) -> list[str]:
    """Send generated requests to one operation; return what went wrong."""

    @FEW
    @given(case=operation.as_strategy(mode))
    def send(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(checks=CHECKS, timeout=60)

    try:
        send()
    except BaseExceptionGroup as group:
        return [f"{operation.label}: {each}" for each in group.exceptions]
    return []


def operations(service: Service) -> list[Operation]:
    document = schemathesis.openapi.from_url(f"{service.url}/openapi.json")
    return [cast(Any, found).ok() for found in document.get_all_operations()]


def test_every_answer_to_a_valid_request_is_documented(service: Service) -> None:
    problems = [each for one in operations(service) for each in problems_of(one, GenerationMode.POSITIVE)]
    assert not problems, "\n\n".join(problems)


def test_every_answer_to_an_invalid_request_is_documented(service: Service) -> None:
    with_body = [one for one in operations(service) if one.body]
    problems = [each for one in with_body for each in problems_of(one, GenerationMode.NEGATIVE)]
    assert with_body
    assert not problems, "\n\n".join(problems)
