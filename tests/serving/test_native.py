"""llama.cpp's dialect: the requests that editors and game engines send, byte for byte where they read bytes."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from kit.task import ClientGrammar, JsonSchema
from tests.serving.controlled_engine import LINE, ControlledEngine
from tests.serving.http import Service

VIM_FIELDS = [
    "content",
    "timings/prompt_n",
    "timings/prompt_ms",
    "timings/predicted_n",
    "timings/predicted_ms",
    "tokens_cached",
    "timings/truncated",
]
VIM: dict[str, Any] = {
    "id_slot": 0,
    "model": "",
    "input_prefix": "def add(a, b):\n",
    "input_suffix": "\n\nprint(add(1, 2))",
    "input_extra": [{"text": "import math", "time": [1, 2], "filename": "maths.py"}],
    "prompt": "    ret",
    "n_predict": 128,
    "stop": ["\n\n"],
    "n_indent": 4,
    "top_k": 40,
    "top_p": 0.9,
    "samplers": ["top_k", "top_p", "infill"],
    "stream": False,
    "cache_prompt": True,
    "t_max_prompt_ms": 500,
    "t_max_predict_ms": 250,
    "response_fields": VIM_FIELDS,
}
CODE: dict[str, Any] = {
    "input_prefix": "a",
    "input_suffix": "b",
    "input_extra": [{"text": "x", "time": 5, "filename": "x.py"}],
    "prompt": "",
    "n_predict": 16,
    "n_cmpl": 3,
    "top_k": 40,
    "top_p": 0.99,
    "samplers": ["top_k", "top_p", "infill"],
    "stream": False,
    "t_max_predict_ms": 500,
}


def post(service: Service, path: str, headers: dict[str, str] | None = None, **fields: Any) -> Any:
    response = service.http.post(path, json=fields, headers=headers or {})
    assert response.status_code == 200, response.text
    return response


def events(service: Service, **fields: Any) -> list[dict[str, Any]]:
    with service.http.stream("POST", "/completion", json={**fields, "stream": True}) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        body = "".join(response.iter_text())
    pieces = [piece for piece in body.split("data: ") if piece]
    return [json.loads(piece) for piece in pieces]


def test_vim_finds_its_bytes_and_its_flattened_keys(service: Service, engine: ControlledEngine) -> None:
    body = post(service, "/infill", {"authorization": "Bearer"}, **VIM).content
    assert body.startswith(b"{")
    assert b'"content":"' in body
    assert b"\n" not in body
    answer = json.loads(body)
    assert answer["content"] == LINE
    assert {"timings/prompt_n", "timings/predicted_ms", "tokens_cached"} < answer.keys() <= {*VIM_FIELDS}
    ids = engine.requests[-1].ids
    assert ids[0] != 3, "the other file comes first"
    assert [ids.count(sentinel) for sentinel in (3, 4, 5)] == [1, 1, 1]
    assert engine._renderer.decode(ids[ids.index(5) + 1 :]) == "    ret", "what is typed follows the last sentinel"


def test_a_request_that_warms_up_generates_nothing(service: Service, engine: ControlledEngine) -> None:
    before = len(engine.requests)
    empty: dict[str, Any] = {
        "input_prefix": "",
        "input_suffix": "",
        "prompt": "",
        "n_predict": 0,
        "samplers": [],
        "stop": None,
    }
    post(service, "/infill", **empty, response_fields=[""], t_max_prompt_ms=1, t_max_predict_ms=1)
    assert post(service, "/infill", **empty).json()["content"] == ""
    assert len(engine.requests) == before


def test_several_completions_come_as_a_list_with_nested_timings(service: Service) -> None:
    answers = post(service, "/infill", **CODE).json()
    assert [answer["content"] for answer in answers] == [LINE] * 3
    assert all(answer["timings"]["predicted_n"] > 0 for answer in answers)
    assert all(answer["generation_settings"]["n_ctx"] == 2048 for answer in answers)


def test_more_completions_than_the_limit_are_refused_by_the_field(service: Service) -> None:
    response = service.http.post("/infill", json={**CODE, "n_cmpl": 99})
    assert response.status_code == 422
    assert response.json()["error"]["param"] == "n_cmpl"


def test_every_event_has_content_and_stop_and_nothing_else_is_sent(service: Service) -> None:
    found = events(service, prompt="Once", n_predict=8, cache_prompt=True, seed=-1, temperature=0.8)
    assert all(isinstance(event["content"], str) and isinstance(event["stop"], bool) for event in found)
    assert [event["stop"] for event in found] == [False] * (len(found) - 1) + [True]
    assert "".join(event["content"] for event in found) == LINE
    assert found[-1]["stop_type"] == "eos"
    assert found[-1]["timings"]["predicted_n"] > 0


def test_each_event_is_one_http_chunk(service: Service) -> None:
    host, _, port = service.url.removeprefix("http://").partition(":")
    body = json.dumps({"prompt": "Once", "stream": True, "n_predict": 8}).encode()
    head = f"POST /completion HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\nconnection: close\r\n"
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    rest = received.partition(b"\r\n\r\n")[2]
    chunks = []
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        chunks.append(rest[: int(size, 16)])
        rest = rest[int(size, 16) + 2 :]
    sent = [chunk for chunk in chunks if chunk]
    assert len(sent) > 2
    for chunk in sent:
        assert chunk.startswith(b"data: ")
        assert chunk.endswith(b"\n\n")
        json.loads(chunk[6:])


def test_a_stop_string_is_named(service: Service) -> None:
    [answer] = [post(service, "/completion", prompt="Once", stop=["three"]).json()]
    assert (answer["content"], answer["stop_type"], answer["stopping_word"]) == ("one two ", "word", "three")


def test_a_budget_ends_as_a_limit(service: Service) -> None:
    assert post(service, "/completion", prompt="Once", n_predict=1).json()["stop_type"] == "limit"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"json_schema": {"type": "object", "properties": {"a": {"type": "integer"}}}}, JsonSchema),
        ({"grammar": '{"type": "object"}'}, JsonSchema),
        ({"grammar": 'root ::= "yes" | "no"'}, ClientGrammar),
    ],
)
def test_a_grammar_or_a_schema_constrains_the_answer(
    service: Service, engine: ControlledEngine, fields: dict[str, Any], expected: type
) -> None:
    post(service, "/completion", prompt="Once", **fields)
    assert isinstance(engine.requests[-1].answer, expected)


def test_prompts_may_mix_texts_and_token_ids(service: Service, engine: ControlledEngine) -> None:
    post(service, "/completion", prompt=["<|im_start|>", 11, 12])
    assert engine.requests[-1].ids == (1, 11, 12)


def test_anonymous_clients_send_odd_keys(service: Service) -> None:
    for key in ("Bearer undefined", "Bearer"):
        assert post(service, "/completion", {"authorization": key}, prompt="Once").json()["content"] == LINE


def test_a_game_engine_renders_its_dialogue_and_sends_it_as_a_prompt(
    service: Service, engine: ControlledEngine
) -> None:
    prompt = post(service, "/apply-template", messages=[{"role": "user", "content": "Hello"}]).json()["prompt"]
    post(service, "/completion", prompt=prompt, n_keep=0)
    native = engine.requests[-1].ids
    service.chat()
    assert native == engine.requests[-1].ids


def test_tokens_in_both_dialects(service: Service) -> None:
    ours = post(service, "/tokenize", content="größer", add_special=True, parse_special=True).json()
    assert ours.keys() == {"tokens"}
    theirs = post(service, "/tokenize", prompt="größer", add_special_tokens=False).json()
    assert (theirs["tokens"], theirs["count"], theirs["max_model_len"]) == (ours["tokens"], len(ours["tokens"]), 2048)
    assert post(service, "/detokenize", tokens=ours["tokens"]).json() == {"content": "größer", "prompt": "größer"}
    pieces = post(service, "/tokenize", content="ö<|im_end|>", with_pieces=True).json()["tokens"]
    assert pieces[-1] == {"id": 2, "piece": "<|im_end|>"}
    plain = post(service, "/tokenize", content="<|im_end|>", parse_special=False).json()["tokens"]
    assert 2 not in plain
    dialogue = post(service, "/v1/tokenize", messages=[{"role": "user", "content": "Hello"}]).json()
    assert dialogue["tokens"][0] == 1


def test_evaluation_tools_find_the_tokenizer(service: Service) -> None:
    found = service.http.get("/tokenizer_info").json()
    assert found["eos_token"] == "<|im_end|>"
    assert "<|im_start|>" in found["chat_template"]


def test_side_routes_that_editors_ask_first(service: Service) -> None:
    assert service.http.get("/health").json() == {"status": "ok"}
    assert service.http.get("/props").json()["default_generation_settings"]["n_ctx"] == 2048
    assert service.http.get("/v1/models").json()["data"][0]["max_model_len"] == 2048
    refused = service.http.post("/embeddings", json={"content": "x"})
    assert (refused.status_code, refused.headers["x-should-retry"]) == (501, "false")


@pytest.mark.parametrize(
    ("path", "fields", "status"),
    [
        ("/completion", {"prompt": ""}, 400),
        ("/completion", {"prompt": [10**6]}, 400),
        ("/completion", {"prompt": "x", "logit_bias": [["word", 1]]}, 400),
        ("/completion", {"prompt": "x", "grammar": "[1]"}, 400),
        ("/tokenize", {"content": "a", "prompt": "b"}, 422),
        ("/detokenize", {"tokens": [10**6]}, 400),
        ("/apply-template", {"messages": []}, 422),
    ],
)
def test_what_cannot_be_answered_is_refused(service: Service, path: str, fields: dict[str, Any], status: int) -> None:
    response = service.http.post(path, json=fields)
    assert response.status_code == status, response.text
    assert response.json()["error"]["message"]
