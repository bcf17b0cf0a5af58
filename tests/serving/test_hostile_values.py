"""Hostile values are refused by field name; fields that only other servers support are never ignored."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.serving.controlled_engine import ControlledEngine
from tests.serving.http import Service
from tests.serving.test_errors import error_of

HELLO = [{"role": "user", "content": "Hello"}]
JSON = {"content-type": "application/json"}


def post(service: Service, body: bytes, path: str = "/v1/chat/completions") -> httpx.Response:
    return service.http.post(path, content=body, headers=JSON)


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/v1/chat/completions", rb'{"messages":[{"role":"user","content":"\ud83d"}]}', "messages.0.content"),
        ("/v1/chat/completions", rb'{"messages":[{"role":"user","content":"x"}],"model":"\ud800"}', "model"),
        ("/v1/chat/completions", rb'{"messages":[{"role":"user","content":"x"}],"stop":["a","\udc00"]}', "stop.1"),
        ("/v1/counter", rb'{"text":"a\ud83d"}', "text"),
    ],
)
def test_half_of_a_surrogate_pair_is_invalid_json_and_its_field_is_named(
    service: Service, path: str, body: bytes, param: str
) -> None:
    response = post(service, body, path)
    assert response.status_code == 400
    error = error_of(response)
    assert (error["code"], error["param"]) == ("invalid_json", param)


def test_a_complete_surrogate_pair_is_accepted(service: Service) -> None:
    assert post(service, rb'{"messages":[{"role":"user","content":"\ud83d\ude00"}]}').status_code == 200


def test_private_use_characters_are_accepted_and_forge_no_special_token(
    service: Service, engine: ControlledEngine
) -> None:
    every = "".join(map(chr, range(0xE000, 0xF900)))
    for text in (every[:400] + "<|im_end|>", every[400:500]):
        assert service.chat(messages=[{"role": "user", "content": text}]).status_code == 200
        ends = engine.requests[-1].sampling.stop_ids
        plain = service.chat(messages=HELLO)
        assert plain.status_code == 200
        assert sum(id in ends for id in engine.requests[-2].ids) == sum(id in ends for id in engine.requests[-1].ids)
    whole = service.chat(messages=[{"role": "user", "content": every}])
    assert (whole.status_code, error_of(whole)["code"]) == (400, "context_length_exceeded")


@pytest.mark.parametrize("field", ["top_k", "seed", "max_tokens", "temperature"])
def test_a_number_of_more_than_64_bits_is_refused_by_name(service: Service, field: str) -> None:
    response = service.chat(**{field: 10**30})
    assert response.status_code == 400
    assert (error_of(response)["code"], error_of(response)["param"]) == ("number_too_large", field)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("seed", False),
        ("seed", "7"),
        ("seed", 1.5),
        ("seed", 2**63),
        ("top_k", 2**31),
        ("temperature", "0.5"),
        ("temperature", True),
        ("max_tokens", True),
        ("stream", "yes"),
        ("stream", 1),
        ("stream_options", {"continuous_usage_stats": True}),
        ("stop", ""),
        ("stop", [""]),
        ("stop", "x" * 257),
    ],
)
def test_a_value_of_another_type_or_out_of_bounds_is_not_coerced(service: Service, field: str, value: Any) -> None:
    response = service.chat(**{field: value})
    assert response.status_code == 422
    assert str(error_of(response)["param"]).split(".")[0] == field


SUPPORTED_BY_OTHER_SERVERS: list[tuple[str, Any]] = [
    ("guided_regex", "a+"),
    ("guided_json", {"type": "object"}),
    ("guided_choice", ["a", "b"]),
    ("guided_grammar", 'root ::= "a"'),
    ("structured_outputs", {"regex": "a+"}),
    ("bad_words", ["no"]),
    ("allowed_token_ids", [7]),
    ("chat_template", "{{ messages }}"),
    ("chat_template_kwargs", {"enable_thinking": True}),
    ("continue_final_message", True),
    ("add_generation_prompt", False),
    ("skip_special_tokens", False),
    ("truncate_prompt_tokens", 5),
    ("prompt_logprobs", 0),
    ("priority", 1),
    ("best_of", 2),
    ("echo", True),
    ("n_predict", 5),
    ("grammar", 'root ::= "a"'),
    ("repeat_penalty", 1.1),
]


@pytest.mark.parametrize(("field", "value"), SUPPORTED_BY_OTHER_SERVERS)
def test_a_field_that_only_other_servers_support_is_refused_by_name(service: Service, field: str, value: Any) -> None:
    for body, param in (({field: value}, field), ({"extra_body": {field: value}}, f"extra_body.{field}")):
        response = service.chat(**body)
        assert response.status_code == 400
        assert (error_of(response)["code"], error_of(response)["param"]) == ("unsupported_parameter", param)


def test_a_supported_field_inside_extra_body_is_refused_not_ignored(service: Service) -> None:
    response = service.chat(extra_body={"temperature": 0.5})
    assert (response.status_code, error_of(response)["param"]) == (400, "extra_body.temperature")
    assert service.chat(extra_body={"cache_prompt": True, "temperature": None}).status_code == 200


def test_neutral_values_of_unsupported_fields_are_accepted(service: Service) -> None:
    neutral = {
        "repetition_penalty": 1.0, "min_p": 0, "ignore_eos": False, "min_tokens": 0, "stop_token_ids": [],
        "guided_regex": None, "skip_special_tokens": True, "chat_template_kwargs": {}, "n_predict": -1,
    }  # fmt: skip
    assert service.chat(**neutral, extra_body={"guided_regex": None}).status_code == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/counter", {"text": "x", "k" * 100_000: 1}),
        ("/v1/counter", {"text": "x", **{f"key{number}": 1 for number in range(20_000)}}),
        ("/v1/counter", {"text": "x", "thing": "nothing", "\x00" * 9_000: 1}),
        ("/v1/chat/completions", {"messages": HELLO, "model": "é" * 100_000}),
        ("/v1/chat/completions", {"messages": HELLO, "model": "\x00😀" * 50_000}),
        ("/v1/chat/completions", {"messages": [{"role": "x"}] * 20_000}),
        ("/v1/chat/completions", {"messages": HELLO, "response_format": {"type": "x" * 100_000}}),
    ],
)
def test_an_error_is_short_for_any_request(service: Service, path: str, body: dict[str, Any]) -> None:
    response = service.http.post(path, json=body)
    assert 400 <= response.status_code < 500
    assert error_of(response)["code"]
    assert len(response.content) <= 4096


def test_a_long_path_is_not_echoed_in_full(service: Service) -> None:
    response = service.http.get("/v1/models/" + "x" * 14_000)
    assert (response.status_code, len(response.content) <= 4096) == (404, True)
    response = service.http.get("/" + "%00" * 4_500)
    assert (response.status_code, len(response.content) <= 4096) == (404, True)


def _circle(length: int) -> dict[str, Any]:
    names = [f"a{number}" for number in range(length)]
    following = [*names[1:], names[0]]
    targets = {name: {"$ref": f"#/$defs/{to}"} for name, to in zip(names, following, strict=True)}
    return {"$ref": f"#/$defs/{names[0]}", "$defs": targets}


RECURSIVE: list[tuple[dict[str, Any], str]] = [
    ({"$ref": "#"}, "leads back to itself"),
    (_circle(2), "leads back to itself"),
    (_circle(500), "leads back to itself"),
    ({"anyOf": [{"$ref": "#"}, {"type": "null"}]}, "leads back to itself"),
    ({"type": "object", "properties": {"a": {"allOf": [{"$ref": "#/properties/a"}]}}}, "leads back to itself"),
    ({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}, "No finite value"),
    ({"type": "array", "items": {"$ref": "#"}, "minItems": 1}, "No finite value"),
]


@pytest.mark.parametrize(("schema", "expected"), RECURSIVE, ids=range(len(RECURSIVE)))
def test_a_schema_without_a_finite_value_is_refused(service: Service, schema: dict[str, Any], expected: str) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "it", "schema": schema}}
    response = service.chat(response_format=wanted)
    assert response.status_code == 400
    assert expected in str(error_of(response)["message"])
    assert error_of(response)["param"] == "response_format.json_schema.schema"


LISTS = {"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}, "required": ["next"]}


@pytest.mark.parametrize(
    "schema", [LISTS, {"type": "object", "properties": {"children": {"type": "array", "items": {"$ref": "#"}}}}]
)
def test_a_recursive_schema_with_finite_values_is_accepted(service: Service, schema: dict[str, Any]) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "it", "schema": schema}}
    assert service.chat(response_format=wanted).status_code == 200


def test_a_seed_is_refused_by_name_if_the_engine_does_not_support_it(serve: Any) -> None:
    class Seedless(ControlledEngine):
        @property
        def capabilities(self) -> Any:
            from dataclasses import replace

            return replace(super().capabilities, seeds=False)

    service = serve(Seedless())
    response = service.chat(seed=7, temperature=1)
    assert (response.status_code, error_of(response)["param"]) == (400, "seed")
    assert service.chat(seed=7, temperature=0).status_code == 200


def test_odd_json_bodies_are_client_errors_never_server_errors(service: Service) -> None:
    for body in (b"null", b"1e999", b'"x"', b"[[]]", b'{"messages":null}', b'{"messages":{}}', json.dumps({}).encode()):
        for path in ("/v1/chat/completions", "/v1/counter"):
            assert post(service, body, path).status_code in {400, 422}


@pytest.mark.parametrize(
    "path", ["/v1/chat/completions", "/v1/completions", "/v1/messages", "/v1/counter", "/completion"]
)
@pytest.mark.parametrize(
    "value",
    [b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 50_000 + b"1" + b"}" * 50_000, b"1" * 5000],
    ids=["100,000 lists in each other", "50,000 objects in each other", "a number of 5,000 digits"],
)
def test_json_that_is_too_deep_or_has_an_endless_number_is_refused_at_once(
    service: Service, path: str, value: bytes
) -> None:
    body = b'{"messages": %b, "prompt": %b, "text": %b}' % (value, value, value)
    response = post(service, body, path)
    assert response.status_code in (400, 422), response.text
    assert response.elapsed.total_seconds() < 20
    assert service.http.get("/readyz").status_code == 200
