"""The scripted engine answers from its script, and keeps the contract of an engine."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from kit.engines.base import Delta, Generation
from kit.engines.scripted import Script, ScriptedEngine
from kit.errors import InputError, KitError
from kit.task import Completion

from .parts import RENDERER, Finding, answer_and_stream, ask


async def started(script: Script, delay: float = 0.0) -> ScriptedEngine:
    engine = ScriptedEngine(script, RENDERER, delay=delay)
    await engine.start()
    return engine


def run(script: Script, request: Generation) -> tuple[Completion, list[Delta]]:
    async def both() -> tuple[Completion, list[Delta]]:
        return await answer_and_stream(await started(script), request)

    return asyncio.run(both())


def test_a_mapping_answers_by_a_piece_of_the_prompt() -> None:
    script: Script = {"rent": Finding(label="present", quotes=["zwölf Monate"]), "pets": "none"}
    answer, _ = run(script, ask("How is the rent paid?", max_tokens=48))
    assert answer.text == '{"label":"present","quotes":["zwölf Monate"]}'
    assert run(script, ask("And the pets?"))[0].text == "none"
    with pytest.raises(KitError, match="no answer for this prompt"):
        run(script, ask("Neither."))


def test_a_function_answers_by_the_request() -> None:
    completion, _ = run(lambda request, prompt: f"{request.adapter}: {prompt[-14:-11]}", ask("abc"))
    assert completion.text.startswith("None: ")


def test_the_same_request_is_always_answered_the_same() -> None:
    script = {"": "one answer, 中文"}
    assert run(script, ask("x")) == run(script, ask("x"))
    completion, deltas = run(script, ask("x"))
    assert "".join(delta.text for delta in deltas) == completion.text
    assert deltas[-1].finish == completion.finish == "stop"
    assert all(-1 < logprob < 0 for logprob in completion.logprobs)


def test_budgets_and_stop_strings_hold() -> None:
    script = {"": "first line\nsecond line"}
    assert run(script, ask("x", max_tokens=2))[0].finish == "length"
    assert run(script, ask("x", stop=("\n",)))[0].text == "first line"


def test_scripted_scores_are_repeatable_and_differ_by_adapter(tmp_path: Path) -> None:
    async def scores() -> list[tuple[float, ...]]:
        engine = await started({})
        await engine.load("tuned", tmp_path)
        found = [await engine.score((5, 6, 7), name) for name in (None, None, "tuned")]
        await engine.unload("tuned")
        with pytest.raises(KitError, match="No adapter 'tuned'"):
            await engine.score((5, 6, 7), "tuned")
        return found

    base, again, tuned = asyncio.run(scores())
    assert base == again != tuned
    assert len(base) == 2


def test_a_set_failure_is_raised_even_in_the_middle_of_an_answer() -> None:
    async def run() -> None:
        engine = await started({"": "a long answer that is never finished"})
        stream = engine.stream(ask("x"))
        assert (await anext(stream)).text
        engine.failure = KitError("power cut")
        with pytest.raises(KitError, match="power cut"):
            await anext(stream)
        with pytest.raises(KitError, match="power cut"):
            await engine.health()
        engine.failure = None
        assert (await engine.generate(ask("x"))).finish == "stop"

    asyncio.run(run())


def test_a_delay_leaves_time_to_cancel() -> None:
    async def run() -> None:
        engine = await started({"": "never"}, delay=60)
        waiting = asyncio.create_task(engine.generate(ask("x")))
        while not engine.requests:
            await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(run())


def test_requests_are_recorded_and_impossible_ones_are_refused() -> None:
    async def run() -> None:
        engine = await started({"": "yes"})
        request = ask("remember me")
        await engine.generate(request)
        assert engine.requests == [request]
        with pytest.raises(InputError, match="leaves no room"):
            await engine.generate(ask("word " * 3000))
        await engine.stop()
        with pytest.raises(KitError, match="not running"):
            await engine.generate(request)

    asyncio.run(run())
