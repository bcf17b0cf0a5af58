"""The OpenAPI document matches the service: what the schema accepts is answered, with the documented types."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tests.serving.http import Service

CHAT, TYPED, RESPONSES = "/v1/chat/completions", "/v1/counter", "/v1/responses"
MESSAGES, COUNT = "/v1/messages", "/v1/messages/count_tokens"
TURNS = [{"role": "user", "content": "Hello"}]
FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
numbers = st.one_of(st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), texts, st.none())
stops = st.one_of(texts, st.lists(st.one_of(texts, st.integers()), max_size=3), st.none(), st.just("x" * 257))
parts = st.lists(st.fixed_dictionaries({"type": st.just("text"), "text": texts}))
turns = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "developer", "user", "assistant"])},
    optional={"content": st.one_of(texts, st.none(), parts)},
)
any_value = st.one_of(numbers, st.just([]), st.just({}), st.just(["text"]), st.sampled_from([0, 1, "auto"]))
OTHER_SERVERS_FIELDS = [
    "n",
    "tools",
    "tool_choice",
    "min_p",
    "repetition_penalty",
    "stop_token_ids",
    "ignore_eos",
    "guided_json",
]
hellos = st.fixed_dictionaries(
    {"messages": st.just([{"role": "user"}])},
    optional={
        **dict.fromkeys(("top_p", "seed", "top_k"), numbers),
        **dict.fromkeys(OTHER_SERVERS_FIELDS, any_value),
        "extra_body": st.one_of(
            any_value, st.dictionaries(st.sampled_from([*OTHER_SERVERS_FIELDS, "seed", "x"]), any_value)
        ),
    },
)
chats = st.fixed_dictionaries(
    {"messages": st.lists(turns, max_size=3)},
    optional={
        "temperature": numbers, "top_p": numbers, "top_k": numbers, "seed": numbers, "max_tokens": numbers,
        "stream": st.one_of(st.just(False), st.none(), st.integers(), texts), "stop": stops,
        "stream_options": st.one_of(st.none(), st.just({}), st.just({"include_usage": 1})),
        "response_format": st.sampled_from([None, {"type": "text"}, {"type": "json_schema"}, {"type": "xml"}, "text"]),
    },
)  # fmt: skip


@pytest.fixture(scope="module")
def document(service: Service) -> dict[str, Any]:
    found: dict[str, Any] = service.http.get("/openapi.json").json()
    return found


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {f"{verb} {path}": each for path, verbs in document["paths"].items() for verb, each in verbs.items()}


def validator(document: dict[str, Any], schema: dict[str, Any]) -> Draft202012Validator:
    return Draft202012Validator({**schema, "components": document["components"]})


def json_schema_of(content: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = content["content"]["application/json"]["schema"]
    return found


def test_every_success_has_a_type(document: dict[str, Any]) -> None:
    for name, operation in operations(document).items():
        schema = json_schema_of(operation["responses"]["200"])
        assert "$ref" in schema or "$ref" in schema["anyOf"][0], name


@given(body=st.one_of(chats, hellos))
@FEW
def test_a_chat_request_is_accepted_exactly_if_the_schema_accepts_it(
    service: Service, document: dict[str, Any], body: dict[str, Any]
) -> None:
    schema = json_schema_of(operations(document)[f"post {CHAT}"]["requestBody"])
    response = service.http.post(CHAT, json=body)
    if response.status_code == 400 and response.json()["error"]["code"] == "tools_not_supported":
        return  # whether a model takes tools is not in the schema
    fits = validator(document, schema).is_valid(body)
    assert (response.status_code == 200) == fits, response.text


inputs = st.one_of(
    texts,
    st.lists(
        st.fixed_dictionaries(
            {"role": st.sampled_from(["system", "user", "assistant", "x"]), "content": st.one_of(texts, st.integers())},
            optional={"type": st.sampled_from(["message", "reasoning"])},
        ),
        max_size=2,
    ),
)
responses = st.fixed_dictionaries(
    {"input": inputs},
    optional={
        "temperature": numbers, "max_output_tokens": numbers, "store": st.booleans(), "truncation": any_value,
        "background": st.one_of(st.booleans(), st.none()), "previous_response_id": st.one_of(st.none(), texts),
        "include": st.one_of(st.none(), st.lists(st.sampled_from(["x", "message.output_text.logprobs"]))),
        "text": st.sampled_from([None, {}, {"format": {"type": "text"}}, {"format": {"type": "json_schema"}}, 3]),
    },
)  # fmt: skip


@pytest.mark.parametrize("path", [RESPONSES, CHAT])
@given(body=responses)
@FEW
def test_a_responses_request_is_accepted_exactly_if_the_schema_accepts_it(
    service: Service, document: dict[str, Any], path: str, body: dict[str, Any]
) -> None:
    schema = json_schema_of(operations(document)[f"post {path}"]["requestBody"])
    response = service.http.post(path, json=body)
    assert (response.status_code == 200) == validator(document, schema).is_valid(body), response.text


@given(body=st.fixed_dictionaries({}, optional={"text": st.one_of(texts, st.integers()), "thing": texts, "x": texts}))
@FEW
def test_a_typed_request_is_accepted_exactly_if_the_schema_accepts_it(
    service: Service, document: dict[str, Any], body: dict[str, Any]
) -> None:
    schema = json_schema_of(operations(document)[f"post {TYPED}"]["requestBody"])
    response = service.http.post(TYPED, json=body)
    assert (response.status_code == 200) == validator(document, schema).is_valid(body), response.text


def test_every_response_has_the_documented_type(service: Service, document: dict[str, Any]) -> None:
    answers = {
        f"post {CHAT}": service.chat(),
        f"post {RESPONSES}": service.http.post(RESPONSES, json={"input": "Hello"}),
        f"post {MESSAGES}": service.http.post(MESSAGES, json={"messages": TURNS, "max_tokens": 9}),
        f"post {COUNT}": service.http.post(COUNT, json={"messages": TURNS}),
        f"post {TYPED}": service.http.post(TYPED, json={"text": "x"}),
        f"post {TYPED}/batch": service.http.post(f"{TYPED}/batch", json={"requests": [{"text": "x"}, {}]}),
        "post /v1/completions": service.http.post("/v1/completions", json={"prompt": "Once", "logprobs": 2}),
        "post /v1/fim/completions": service.http.post("/v1/fim/completions", json={"prompt": "Once"}),
        "post /completion": service.http.post("/completion", json={"prompt": "Once"}),
        "post /infill": service.http.post("/infill", json={"input_prefix": "Once", "n_cmpl": 2}),
        "post /v1/tokenize": service.http.post("/v1/tokenize", json={"prompt": "Once"}),
        "post /v1/detokenize": service.http.post("/v1/detokenize", json={"tokens": [11]}),
        "post /v1/apply-template": service.http.post("/v1/apply-template", json={"messages": [{"role": "user"}]}),
        "get /v1/tokenizer_info": service.http.get("/v1/tokenizer_info"),
        "get /props": service.http.get("/props"),
        "get /health": service.http.get("/health"),
        "get /v1/models": service.http.get("/v1/models"),
        "get /v1/models/{name}": service.http.get("/v1/models/counter"),
        "get /livez": service.http.get("/livez"),
        "get /readyz": service.http.get("/readyz"),
        "get /scores": service.http.get("/scores"),
    }
    assert answers.keys() == operations(document).keys()
    for name, answer in answers.items():
        responses = operations(document)[name]["responses"]
        validator(document, json_schema_of(responses["200"])).validate(answer.json())


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (CHAT, {}, 422),
        (CHAT, {"messages": [{"role": "user"}], "suffix": "x"}, 400),
        (CHAT, {"messages": [{"role": "user"}], "model": "other"}, 404),
        (CHAT, {"input": "Hello", "n": True}, 400),
        (RESPONSES, {}, 422),
        (RESPONSES, {"input": "Hello", "model": "other"}, 404),
        (MESSAGES, {"messages": TURNS}, 422),
        (MESSAGES, {"messages": TURNS, "max_tokens": 9, "model": "other"}, 404),
        (COUNT, {"messages": TURNS, "tool_choice": {"type": "any"}}, 422),
        (TYPED, {}, 422),
        (TYPED, {"text": "x", "thing": "nothing"}, 400),
    ],
)
def test_every_error_is_documented(
    service: Service, document: dict[str, Any], path: str, body: dict[str, Any], status: int
) -> None:
    response = service.http.post(path, json=body)
    assert response.status_code == status
    responses = operations(document)[f"post {path}"]["responses"]
    validator(document, json_schema_of(responses[str(status)])).validate(response.json())


def test_a_stream_has_the_documented_events(service: Service, document: dict[str, Any]) -> None:
    content = operations(document)[f"post {CHAT}"]["responses"]["200"]["content"]
    schema = content["text/event-stream"]["itemSchema"]
    response = service.chat(stream=True)
    assert response.headers["content-type"].split(";")[0] == "text/event-stream"
    for event in filter(None, response.text.split("\n\n")):
        field, _, data = event.partition(": ")
        validator(document, schema).validate({field: data})
        assert data == "[DONE]" or json.loads(data)["object"] == "chat.completion.chunk"
