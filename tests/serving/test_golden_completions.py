"""Completion requests with exactly the fields that code editors and evaluation tools send."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.serving.controlled_engine import LINE, ControlledEngine
from tests.serving.http import Service

PATH = "/v1/completions"
FILES = "<|repo_name|>maths\n<|file_sep|>a.py\nx = 1\n<|file_sep|>b.py\n"
QWEN = f"{FILES}<|fim_prefix|>def f(<|fim_suffix|>)<|fim_middle|>"
QWEN_STOPS = [
    "<|endoftext|>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>", "<|repo_name|>",
    "<|file_sep|>", "<|im_start|>", "<|im_end|>", "/src/", "#- coding: utf-8", "```",
]  # fmt: skip
STARCODER = "<fim_prefix>def f(<fim_suffix>)<fim_middle>"
STARCODER_STOPS = ["<fim_prefix>", "<fim_suffix>", "<fim_middle>", "<file_sep>", "<|endoftext|>", "/src/", "```"]


def events(service: Service, path: str = PATH, **fields: Any) -> list[dict[str, Any]]:
    """The events of a stream that ends with [DONE]."""
    response = service.http.post(path, json={**fields, "stream": True}, headers={"api-key": ""})
    assert response.status_code == 200, response.text
    *lines, done = [line.removeprefix("data: ") for line in response.text.split("\n\n") if line.startswith("data")]
    assert done == "[DONE]"
    return [json.loads(line) for line in lines]


def text_of(chunks: list[dict[str, Any]]) -> str:
    return "".join(choice["text"] for chunk in chunks for choice in chunk["choices"])


def last_reason(chunks: list[dict[str, Any]]) -> Any:
    return chunks[-1]["choices"][0]["finish_reason"]


@pytest.mark.parametrize(("prompt", "stops"), [(QWEN, QWEN_STOPS), (STARCODER, STARCODER_STOPS)])
def test_an_editor_that_writes_the_sentinels_itself_gets_text_a_reason_and_done(
    service: Service, prompt: str, stops: list[str]
) -> None:
    chunks = events(service, model="counter", prompt=prompt, max_tokens=4096, temperature=0.01, stop=stops)
    assert text_of(chunks) == LINE
    assert last_reason(chunks) == "stop"


FOREIGN = [
    STARCODER,
    "<file_sep>maths.py\nx = 1\n<file_sep><fim_prefix>def f(<fim_suffix>)<fim_middle>",
    "<|code_prefix|>def f(<|code_suffix|>)<|code_middle|>\n",
    "<｜fim▁begin｜>def f(<｜fim▁hole｜>)<｜fim▁end｜>",
]


@pytest.mark.parametrize("prompt", FOREIGN)
def test_sentinels_of_another_family_become_those_of_the_base(
    service: Service, engine: ControlledEngine, prompt: str
) -> None:
    service.http.post(PATH, json={"prompt": "def f(", "suffix": ")", "max_tokens": 64})
    own = engine.requests[-1]
    gap = own.ids[own.ids.index(3) :]
    for path in (PATH, "/completion"):
        assert service.http.post(path, json={"prompt": prompt}).status_code == 200
        asked = engine.requests[-1]
        assert asked.ids[asked.ids.index(3) :] == gap, "the same gap, marked in the same way"
        assert set(asked.sampling.stop_ids) == set(own.sampling.stop_ids)
        assert ("x = 1" in engine._renderer.decode(asked.ids)) == ("x = 1" in prompt), "other files are kept"


@pytest.mark.parametrize(
    "prompt",
    [
        "A StarCoder prompt has <fim_prefix>, <fim_suffix> and <fim_middle>, in this order.",
        "<fim_prefix>def f(<fim_suffix>)",
        "<fim_suffix>)<fim_prefix>def f(<fim_middle>",
        "<fim_prefix>a<fim_prefix>def f(<fim_suffix>)<fim_middle>",
    ],
)
def test_other_text_with_foreign_sentinels_stays_text(service: Service, engine: ControlledEngine, prompt: str) -> None:
    assert service.http.post(PATH, json={"prompt": prompt, "max_tokens": 8}).status_code == 200
    ids = engine.requests[-1].ids
    assert engine._renderer.decode(ids) == prompt
    assert not set(ids) & {3, 4, 5}


def test_three_parallel_requests_without_budget_or_temperature_are_sampled(
    service: Service, engine: ControlledEngine
) -> None:
    def ask(_: int) -> list[dict[str, Any]]:
        return events(service, model="counter", prompt="def f(", suffix=")\n")

    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(ask, range(3)))
    assert [text_of(chunks) for chunks in answers] == [LINE] * 3
    for request in engine.requests[-3:]:
        assert request.sampling.temperature > 0
        assert request.sampling.max_tokens > 16


@pytest.mark.parametrize("suffix", [None, ")\n"])
def test_the_reason_comes_before_done_with_and_without_a_suffix(service: Service, suffix: str | None) -> None:
    fields: dict[str, Any] = {"max_tokens": 64, "temperature": 0.1, "presence_penalty": 0.0}
    chunks = events(service, model="counter", prompt="def f(", suffix=suffix, **fields)
    assert last_reason(chunks) == "stop"
    assert all(chunk["choices"] for chunk in chunks)


def test_the_route_of_fill_in_the_middle_has_choices_in_every_chunk(service: Service) -> None:
    fields = {"prompt": "def f(", "suffix": ")", "max_tokens": 64, "stop": ["\n\n"]}
    chunks = events(service, "/v1/fim/completions", model="counter", **fields)
    assert text_of(chunks) == LINE
    assert all(chunk["choices"] for chunk in chunks)


def test_an_editor_without_a_stream_gets_the_whole_object(service: Service) -> None:
    stops = [*QWEN_STOPS, "\n\n\n", "<|cursor|>"]
    body = {"model": "counter", "prompt": QWEN, "max_tokens": 256, "stop": stops}
    answer = service.http.post(PATH, json=body).json()
    assert (type(answer["id"]), type(answer["created"])) == (str, int)
    assert (answer["object"], answer["model"], answer["choices"][0]["text"]) == ("text_completion", "counter", LINE)
    assert {name: type(answer["usage"][name]) for name in ("prompt_tokens", "completion_tokens", "total_tokens")} == {
        "prompt_tokens": int, "completion_tokens": int, "total_tokens": int,
    }  # fmt: skip


def test_a_body_written_over_several_lines_with_blanks_round_the_sentinels_is_answered(service: Service) -> None:
    stops = [*QWEN_STOPS[:10], "import ", "package ", "diff --git"]
    prompt = "<|fim_prefix|> def f( <|fim_suffix|> ) <|fim_middle|>"
    fields = {"model": "counter", "prompt": prompt, "suffix": "", "max_tokens": 128, "temperature": 0.0}
    body = json.dumps({**fields, "presence_penalty": 0, "stream": True, "stop": stops}, indent=2)
    response = service.http.post(PATH, content=body, headers={"content-type": "application/json; charset=utf-8"})
    assert response.status_code == 200
    assert response.text.endswith("data: [DONE]\n\n")


def test_an_evaluator_may_send_null_stops_and_the_number_of_candidates(service: Service) -> None:
    fields = {"prompt": "Once", "temperature": 0.0, "n": 1, "max_tokens": 16, "best_of": 1, "stop": None}
    answer = service.http.post(PATH, json={**fields, "model": "counter", "top_p": 1, "echo": False, "logprobs": 1})
    [choice] = answer.json()["choices"]
    assert choice["text"] == LINE
    assert len(choice["logprobs"]["tokens"]) == len(choice["logprobs"]["token_logprobs"]) > 0


def test_a_batch_of_token_ids_is_scored_with_one_generated_token(service: Service) -> None:
    prompts = [[21, 22, 23, 24], [25, 26]]
    fields = {"model": "counter", "prompt": prompts, "temperature": 0, "max_tokens": 1, "logprobs": 1, "echo": True}
    response = service.http.post(PATH, json={**fields, "seed": 1234}, headers={"authorization": "Bearer"})
    assert response.status_code == 200, response.text
    for prompt, choice in zip(prompts, response.json()["choices"], strict=True):
        scores, best = choice["logprobs"]["token_logprobs"], choice["logprobs"]["top_logprobs"]
        assert len(scores) == len(best) == len(prompt) + 1
        assert scores[0] is None
        assert all(isinstance(score, float) for score in scores[1:])
        assert all(token in top for token, top in zip(choice["logprobs"]["tokens"][1:], best[1:], strict=True))


def test_a_list_of_models_ends(service: Service) -> None:
    assert service.http.get("/v1/models", params={"limit": 10}).json()["has_more"] is False
    assert [model.id for model in service.openai().models.list()] == ["counter"]


def native(service: Service, **fields: Any) -> list[dict[str, Any]]:
    response: httpx.Response = service.http.post("/completion", json={**fields, "stream": True})
    assert response.status_code == 200, response.text
    assert "[DONE]" not in response.text
    return [json.loads(piece) for piece in response.text.split("data: ") if piece]


@pytest.mark.parametrize(
    "fields",
    [
        {"seed": 1, "n_predict": 64, "temperature": 0.1, "penalty_last_n": 0, "presence_penalty": 0.0},
        {"model": "", "n_predict": 64, "temperature": 0.01, "top_k": 40, "top_p": 1, "min_p": 0, "mirostat": 0,
         "stop": QWEN_STOPS, "frequency_penalty": 0.0, "presence_penalty": 0.0},
    ],
)  # fmt: skip
def test_editors_of_the_native_route_read_content_and_stop(service: Service, fields: dict[str, Any]) -> None:
    found = native(service, prompt=QWEN, **fields)
    assert all({"content", "stop"} <= event.keys() for event in found)
    assert "".join(event["content"] for event in found) == LINE
    assert found[-1]["stop"] is True


@pytest.mark.parametrize(
    "constraint", [{"json_schema": {"type": "object"}}, {"grammar": 'root ::= "one" | "two"'}]
)  # fmt: skip
def test_a_game_streams_a_rendered_dialogue_under_a_constraint(
    service: Service, engine: ControlledEngine, constraint: dict[str, Any]
) -> None:
    turns = {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]}
    prompt = service.http.post("/apply-template", json=turns).json()["prompt"]
    found = native(service, prompt=prompt, id_slot=0, n_keep=0, cache_prompt=True, n_predict=32, **constraint)
    assert found[-1]["stop"] is True
    assert all("tokens" in event or event["stop"] for event in found)
    assert "FreeText" not in type(engine.requests[-1].answer).__name__
