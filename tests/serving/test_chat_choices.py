"""Several choices in one chat answer, and the log-probabilities of their tokens."""

from __future__ import annotations

import math
from typing import Any

import pytest

from kit.engines.base import Generation
from tests.serving.controlled_engine import LINE, ControlledEngine
from tests.serving.http import Service

ASKED: dict[str, Any] = {"model": "counter", "messages": [{"role": "user", "content": "Hello"}]}


def test_every_choice_is_an_answer_of_its_own(service: Service, engine: ControlledEngine) -> None:
    before = len(engine.requests)
    answer = service.openai().chat.completions.create(**ASKED, n=3, seed=5, temperature=0.7)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert [choice.message.content for choice in answer.choices] == [LINE] * 3
    assert [request.sampling.seed for request in engine.requests[before:]] == [5, 6, 7]
    assert answer.usage is not None
    assert answer.usage.completion_tokens == sum(_tokens(engine, request) for request in engine.requests[before:])


def _tokens(engine: ControlledEngine, request: Generation) -> int:
    return len(engine._renderer.answer(LINE))


def test_streamed_choices_are_told_apart_by_their_index(service: Service) -> None:
    stream = service.openai().chat.completions.create(**ASKED, n=3, stream=True, stream_options={"include_usage": True})
    texts, finished, usage = ["", "", ""], [], None
    for chunk in stream:
        usage = chunk.usage or usage
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
            finished += [choice.index] if choice.finish_reason == "stop" else []
    assert texts == [LINE] * 3
    assert sorted(finished) == [0, 1, 2]
    assert usage is not None
    assert usage.completion_tokens > 0


@pytest.mark.parametrize("streamed", [False, True])
def test_log_probabilities_name_each_token_and_the_likeliest_ones(service: Service, streamed: bool) -> None:
    client = service.openai()
    if streamed:
        chunks = client.chat.completions.create(**ASKED, logprobs=True, top_logprobs=2, stream=True)
        parts = [choice.logprobs for chunk in chunks for choice in chunk.choices if choice.logprobs]
        content = [token for part in parts for token in part.content or ()]
    else:
        [choice] = client.chat.completions.create(**ASKED, logprobs=True, top_logprobs=2).choices
        assert choice.logprobs is not None
        content = choice.logprobs.content or []
    assert b"".join(bytes(token.bytes or ()) for token in content).decode() == LINE
    for token in content:
        assert token.logprob <= 0
        assert token.top_logprobs[0].token == token.token
        assert len(token.top_logprobs) == 2
        assert sum(math.exp(other.logprob) for other in token.top_logprobs) < 2


def test_likeliest_tokens_without_log_probabilities_are_refused(service: Service) -> None:
    response = service.chat(top_logprobs=2)
    assert response.status_code == 422
    assert "top_logprobs needs logprobs" in response.json()["error"]["message"]


def test_penalties_bias_and_stops_reach_the_engine(service: Service, engine: ControlledEngine) -> None:
    stops = [f"stop {number}" for number in range(16)]
    fields = {"presence_penalty": 0.5, "frequency_penalty": -0.5, "repetition_penalty": 1.1, "min_p": 0.1}
    response = service.chat(**fields, logit_bias={"5": -3}, stop=stops, min_tokens=2, stop_token_ids=[9])
    assert response.status_code == 200
    sampling = engine.requests[-1].sampling
    assert {name: getattr(sampling, name) for name in fields} == fields
    assert (sampling.logit_bias, sampling.min_tokens, sampling.stop) == (((5, -3.0),), 2, tuple(stops))
    assert 9 in sampling.stop_ids


def test_a_bias_on_no_token_is_refused_with_the_range(service: Service) -> None:
    response = service.chat(logit_bias={"99999999": 1})
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "logit_bias"
    assert "token ids go from 0 to" in response.json()["error"]["message"]
