"""The typed route: from the task's request type to its response type."""

from __future__ import annotations

from tests.serving.controlled_engine import ControlledEngine
from tests.serving.http import Service


def test_a_typed_route_returns_the_task_response(service: Service, engine: ControlledEngine) -> None:
    answer = service.http.post("/v1/counter", json={"text": "one barrel"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"windows": 1, "with_thing": 1, "characters": 10}
    sealed = engine.requests[-1].sampling
    assert (sealed.temperature, sealed.max_tokens) == (0.0, 16)
    assert sealed.stop_ids


def test_all_windows_of_a_document_of_300_000_characters_are_answered(
    service: Service, engine: ControlledEngine
) -> None:
    before = len(engine.requests)
    answer = service.http.post("/v1/counter", json={"text": "The barrel is here. " * 15_000})
    assert answer.json() == {"windows": 150, "with_thing": 150, "characters": 300_000}
    assert len(engine.requests) - before == 150


def test_the_openapi_document_has_the_types_of_the_task(service: Service) -> None:
    document = service.http.get("/openapi.json").json()
    route = document["paths"]["/v1/counter"]["post"]
    schemas = document["components"]["schemas"]
    request = route["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    response = route["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
    assert schemas[request.rsplit("/", 1)[1]]["properties"].keys() == {"text", "thing"}
    assert schemas[response.rsplit("/", 1)[1]]["properties"].keys() == {"windows", "with_thing", "characters"}
    error = route["responses"]["422"]["content"]["application/json"]["schema"]["$ref"]
    assert schemas[error.rsplit("/", 1)[1]]["properties"].keys() == {"error"}
    assert {"/v1/chat/completions", "/v1/models", "/livez", "/readyz"} <= document["paths"].keys()
