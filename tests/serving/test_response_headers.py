"""Every response names its status, bundle and request id, and whether a model wrote it."""

from __future__ import annotations

import pytest

from kit.bundle.store import Bundle
from serving.models.catalogue import Deployed
from tests.serving.conftest import Serve
from tests.serving.http import Service

PATHS = ["/livez", "/readyz", "/v1/models", "/v1/nowhere", "/openapi.json"]


@pytest.mark.parametrize("status", ["verified", "preview"])
def test_every_response_has_the_status_and_the_digest(
    service: Service, serve: Serve, bundle: Bundle, status: str
) -> None:
    if status == "verified":
        service = serve(bundles=[Deployed(bundle, "verified")])
    answers = [service.http.get(path) for path in PATHS]
    answers += [service.chat(), service.chat(stream=True), service.chat(echo=True)]
    answers += [service.http.post("/v1/counter", json={"text": "x"}), service.http.post("/v1/counter")]
    for answer in answers:
        assert answer.headers["x-domainkit-status"] == status
        assert answer.headers["x-domainkit-bundle"] == bundle.digest
        assert "x-domainkit-override" not in answer.headers


def test_only_generated_responses_have_the_disclosure_header(service: Service) -> None:
    written = [service.chat(), service.chat(stream=True), service.http.post("/v1/counter", json={"text": "x"})]
    assert [answer.headers.get("x-domainkit-disclosure") for answer in written] == ["generated"] * 3
    others = [service.http.get("/v1/models"), service.chat(echo=True)]
    assert [answer.headers.get("x-domainkit-disclosure") for answer in others] == [None, None]


def test_a_request_id_is_echoed_or_created(service: Service) -> None:
    named = service.http.get("/v1/models", headers={"x-request-id": "abc-123"})
    assert named.headers["x-request-id"] == "abc-123"
    assert service.openai().models.with_raw_response.list().headers["x-request-id"]
    made = [service.http.get("/livez", headers={"x-request-id": id}).headers["x-request-id"] for id in ("", "x" * 999)]
    assert len(set(made)) == 2
    assert all(len(id) == 32 for id in made)
