"""Text completions: prompts of text and tokens, batches, echo with log-probabilities, suffixes, streams."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from kit.chat import Renderer
from kit.engines.token_text import token_bytes
from tests.serving.controlled_engine import LINE, ControlledEngine
from tests.serving.http import Service

PATH = "/v1/completions"
NANO_IDS = {"<|fim_prefix|>": 3, "<|fim_suffix|>": 4, "<|fim_middle|>": 5}


@pytest.fixture
def renderer(engine: ControlledEngine) -> Renderer:
    return engine._renderer


def complete(service: Service, **fields: Any) -> dict[str, Any]:
    response = service.http.post(PATH, json={"prompt": "Once", **fields})
    assert response.status_code == 200, response.text
    return dict(response.json())


def test_a_completion_has_every_field_that_clients_require(service: Service) -> None:
    answer = service.openai().completions.create(model="counter", prompt="Once")
    assert (answer.object, answer.model) == ("text_completion", "counter")
    [choice] = answer.choices
    assert (choice.index, choice.text, choice.finish_reason, choice.logprobs) == (0, LINE, "stop", None)
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_a_prompt_without_a_budget_gets_more_than_sixteen_tokens(service: Service, engine: ControlledEngine) -> None:
    complete(service)
    assert engine.requests[-1].sampling.max_tokens == 256


def test_prompts_can_be_texts_or_token_ids_and_come_back_in_order(service: Service, engine: ControlledEngine) -> None:
    before = len(engine.requests)
    answer = complete(service, prompt=["one", "two"], n=2)
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2, 3]
    asked = [engine._renderer.decode(request.ids) for request in engine.requests[before:]]
    assert sorted(asked) == ["one", "one", "two", "two"]
    complete(service, prompt=[[11, 12, 13], [14]])
    assert [request.ids for request in engine.requests[-2:]] == [(11, 12, 13), (14,)]
    complete(service, prompt=[15, 16])
    assert engine.requests[-1].ids == (15, 16)


def test_sentinels_in_a_raw_prompt_become_special_tokens(service: Service, engine: ControlledEngine) -> None:
    complete(service, prompt="<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>")
    assert {*NANO_IDS.values()} < {*engine.requests[-1].ids}


def test_a_suffix_is_rendered_with_the_bases_own_sentinels(
    service: Service, engine: ControlledEngine, renderer: Renderer
) -> None:
    complete(service, prompt="def f(", suffix="<|fim_middle|>", max_tokens=5)
    request = engine.requests[-1]
    assert request.ids[:1] == (3,)
    assert request.ids[-1] == 5
    assert request.ids.count(5) == 1, "the suffix's own text is no special token"
    assert renderer.answer("def f(") == request.ids[1 : request.ids.index(4)]
    assert {3, 4, 5} < {*request.sampling.stop_ids}
    assert request.sampling.temperature > 0, "parallel suggestions must differ"


def test_no_suffix_and_an_empty_one_are_plain_continuations(service: Service, engine: ControlledEngine) -> None:
    for suffix in (None, ""):
        complete(service, suffix=suffix, stop=None, best_of=1, echo=False)
        assert 3 not in engine.requests[-1].ids
    response = service.http.post("/v1/fim/completions", json={"prompt": "Once", "suffix": None})
    assert response.status_code == 200
    assert engine.requests[-1].ids[0] == 3


def test_echo_with_log_probabilities_covers_prompt_and_answer(service: Service, renderer: Renderer) -> None:
    prompts = [list(renderer.answer("one two three four five")), list(renderer.answer("six seven"))]
    answer = complete(service, prompt=prompts, echo=True, logprobs=1, max_tokens=1, temperature=0)
    for prompt, choice in zip(prompts, answer["choices"], strict=True):
        logprobs = choice["logprobs"]
        assert {len(values) for values in logprobs.values()} == {len(prompt) + 1}
        assert logprobs["token_logprobs"][0] is None
        assert logprobs["top_logprobs"][0] is None
        assert all(isinstance(value, float) for value in logprobs["token_logprobs"][1:])
        for token, top in zip(logprobs["tokens"][1:], logprobs["top_logprobs"][1:], strict=True):
            assert token in top
        assert choice["text"].startswith(renderer.decode(prompt))
        assert logprobs["text_offset"][0] == 0


def test_echo_without_an_answer_scores_the_prompt_alone(service: Service, engine: ControlledEngine) -> None:
    before = len(engine.requests)
    answer = complete(service, prompt="one two", echo=True, logprobs=0, max_tokens=0)
    assert answer["choices"][0]["text"] == "one two"
    assert answer["usage"]["completion_tokens"] == 0
    assert len(engine.requests) == before


def test_places_count_characters_even_where_a_token_is_part_of_one(service: Service, renderer: Renderer) -> None:
    text = "größer 😀 中文"
    answer = complete(service, prompt=text, echo=True, logprobs=0, max_tokens=0)
    logprobs = answer["choices"][0]["logprobs"]
    names = token_bytes(renderer.folder)
    ids = renderer.trusted(text)
    assert b"".join(map(names.of, ids)).decode() == text
    assert any(token.startswith("bytes:") for token in logprobs["tokens"])
    for token, start in zip(logprobs["tokens"], logprobs["text_offset"], strict=True):
        if not token.startswith("bytes:"):
            assert text[start:].startswith(token)


def test_a_stream_ends_with_a_reason_the_counts_and_done(service: Service) -> None:
    fields = {"prompt": ["a", "b"], "stream": True, "stream_options": {"include_usage": True}, "echo": True}
    with service.http.stream("POST", PATH, json=fields) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = [line.removeprefix("data: ") for line in response.iter_lines() if line]
    assert lines[-1] == "[DONE]"
    chunks = [json.loads(line) for line in lines[:-1]]
    texts = {0: "", 1: ""}
    for chunk in chunks[:-1]:
        for choice in chunk["choices"]:
            texts[choice["index"]] += choice["text"]
    assert texts == {0: "a" + LINE, 1: "b" + LINE}
    assert sum(choice["finish_reason"] == "stop" for chunk in chunks for choice in chunk["choices"]) == 2
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["total_tokens"] > 0


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"prompt": ""}, 400, "prompt"),
        ({"prompt": [10**6]}, 400, "prompt"),
        ({"prompt": ["a"] * 257}, 422, None),
        ({"prompt": ["a"], "suffix": "b"}, 422, None),
        ({"best_of": 4}, 422, None),
        ({"max_tokens": 0}, 422, None),
        ({"echo": True, "logprobs": 1, "stream": True}, 422, None),
        ({"logprobs": 21}, 422, "logprobs"),
        ({"prompt_logprobs": 1}, 400, "prompt_logprobs"),
        ({"prompt": "word " * 3000}, 400, "prompt"),
    ],
)
def test_what_cannot_be_answered_is_refused(
    service: Service, fields: dict[str, Any], status: int, param: str | None
) -> None:
    response = service.http.post(PATH, json={"prompt": "Once", **fields})
    assert response.status_code == status, response.text
    assert param is None or response.json()["error"]["param"] == param


def test_leaving_a_stream_stops_every_choice(service: Service, engine: ControlledEngine) -> None:
    engine.proceed.clear()
    try:
        with service.http.stream("POST", PATH, json={"prompt": ["a", "b"], "stream": True}) as response:
            next(response.iter_lines())
        asyncio.run(_until_idle(engine))
    finally:
        engine.proceed.set()


async def _until_idle(engine: ControlledEngine) -> None:
    for _ in range(500):
        if engine.active == 0:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{engine.active} generations still run")
