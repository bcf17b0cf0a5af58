"""What every sampling setting must do, whichever engine answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine
from typing import Any

from kit.engines.base import Engine
from kit.task import ClientGrammar
from tests.kit.engines.parts import QUESTIONS, RENDERER, ask

Check = Callable[[Engine], Coroutine[Any, Any, None]]
_GBNF = 'root ::= greeting ", " ("Ada" | "Bo")\ngreeting ::= "Good day" | "Hello"'


async def check_bias(engine: Engine) -> None:
    """A bias of 100 forces a token, and one of -100 forbids it."""
    [token, *_] = RENDERER.answer(" law")
    forced = await engine.generate(ask(QUESTIONS[0], max_tokens=4, logit_bias=((token, 100.0),)))
    assert set(forced.token_ids) == {token}
    plain = await engine.generate(ask(QUESTIONS[0], max_tokens=4))
    banned = tuple((each, -100.0) for each in plain.token_ids)
    other = await engine.generate(ask(QUESTIONS[0], max_tokens=4, logit_bias=banned))
    assert not {*plain.token_ids} & {*other.token_ids}


async def check_penalties(engine: Engine) -> None:
    """A greedy answer that repeats tokens repeats fewer of them with a penalty."""

    async def distinct(**penalty: Any) -> int:
        answer = await engine.generate(ask(QUESTIONS[6], max_tokens=64, stop_ids=(), **penalty))
        return len({*answer.token_ids})

    plain = await distinct()
    assert plain < 64
    for penalty in ({"presence_penalty": 2.0}, {"frequency_penalty": 2.0}, {"repetition_penalty": 1.8}):
        assert await distinct(**penalty) > plain, penalty


async def check_least_tokens(engine: Engine) -> None:
    """Neither a stop token nor a stop string ends an answer before its least number of tokens."""
    plain = await engine.generate(ask(QUESTIONS[0], max_tokens=12, stop_ids=()))
    first, fourth = plain.token_ids[0], plain.token_ids[3]
    assert (await engine.generate(ask(QUESTIONS[0], max_tokens=12, stop_ids=(first,)))).token_ids == ()
    later = await engine.generate(ask(QUESTIONS[0], max_tokens=12, stop_ids=(first, fourth), min_tokens=3))
    assert len(later.token_ids) >= 3
    assert first not in later.token_ids[:3]
    word = plain.text.strip()[:2]
    stopped = await engine.generate(ask(QUESTIONS[0], max_tokens=12, stop_ids=(), stop=(word,), min_tokens=5))
    assert len(stopped.token_ids) >= 4


async def check_min_p(engine: Engine) -> None:
    """A `min_p` of 1 leaves only the likeliest token, at any temperature."""
    greedy = await engine.generate(ask(QUESTIONS[4], max_tokens=8))
    assert (await engine.generate(ask(QUESTIONS[4], max_tokens=8, temperature=1.5, min_p=1.0))).text == greedy.text


async def check_top_logprobs(engine: Engine) -> None:
    """The likeliest tokens come with each token, whole and streamed; penalties and bias do not change them."""
    request = ask(QUESTIONS[3], max_tokens=8, stop_ids=(), top_logprobs=5)
    answer = await engine.generate(request)
    assert [len(tokens) for tokens in answer.top] == [5] * 8
    for token, logprob, top in zip(answer.token_ids, answer.logprobs, answer.top, strict=True):
        assert top[0][0] == token
        assert abs(top[0][1] - logprob) < 1e-4
        assert list(top) == sorted(top, key=lambda pair: -pair[1])
        assert sum(math.exp(each) for _, each in top) <= 1.0001
    deltas = [delta async for delta in engine.stream(request)]
    assert tuple(top for delta in deltas for top in delta.top) == answer.top
    assert tuple(each for delta in deltas for each in delta.logprobs) == answer.logprobs
    biased = await engine.generate(
        ask(QUESTIONS[3], max_tokens=1, stop_ids=(), top_logprobs=5, logit_bias=((answer.token_ids[0], -100.0),))
    )
    assert biased.top[0][0][0] == answer.token_ids[0]
    assert abs(biased.top[0][0][1] - answer.logprobs[0]) < 1e-3
    assert (await engine.generate(ask(QUESTIONS[3], max_tokens=2))).top == ()


async def check_top_scores(engine: Engine) -> None:
    """Scores with the likeliest tokens agree with plain scores."""
    ids = ask(QUESTIONS[1]).ids
    plain, ranked = await engine.score(ids), await engine.score_top(ids, 3)
    assert len(ranked) == len(ids) - 1
    assert max(abs(one - two.logprob) for one, two in zip(plain, ranked, strict=True)) < 0.02
    for score in ranked:
        assert len(score.top) == 3
        assert score.logprob <= score.top[0][1] + 1e-6


async def check_client_grammar(engine: Engine) -> None:
    """A grammar in llama.cpp's notation decides what can be written."""
    answer = await engine.generate(ask(QUESTIONS[4], answer=ClientGrammar(_GBNF), max_tokens=24))
    assert answer.text in {f"{greeting}, {name}" for greeting in ("Good day", "Hello") for name in ("Ada", "Bo")}


CHECKS: tuple[Check, ...] = (
    check_bias,
    check_penalties,
    check_least_tokens,
    check_min_p,
    check_top_logprobs,
    check_top_scores,
    check_client_grammar,
)
