"""A client's grammar is tried in a process that can be killed: what compiles too long never reaches an engine."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from kit.base import NANO
from kit.engines.base import EngineConfig
from kit.engines.grammar_trial import GrammarTrials
from kit.engines.local import LocalEngine
from kit.engines.structured import as_schema
from kit.errors import InputError, KitError
from kit.task import ClientGrammar, JsonSchema
from tests.kit.engines.parts import Finding, ask

SECONDS = 2.0
PATIENCE = 30.0  # for a machine that does much else; the hard grammar takes minutes
NUMBERS = {f"number_{index}": {"type": "integer"} for index in range(500)}
HARD = JsonSchema(json.dumps({"type": "object", "properties": NUMBERS, "minProperties": 100, "maxProperties": 200}))
EASY = JsonSchema('{"type":"object","properties":{"floor":{"enum":["upper","lower"]}},"required":["floor"]}')


def trying(check: Callable[[GrammarTrials], Awaitable[None]], **limits: int) -> None:
    async def run() -> None:
        trials = GrammarTrials(NANO, SECONDS, **limits)
        try:
            await check(trials)
        finally:
            await trials.stop()

    asyncio.run(run())


async def refusal(trials: GrammarTrials, answer: JsonSchema | ClientGrammar) -> str:
    with pytest.raises(InputError) as refused:
        await trials.admit(answer)
    return str(refused.value)


def process_of(trials: GrammarTrials) -> int:
    assert trials._process is not None
    return trials._process.pid


def test_a_grammar_that_takes_too_long_is_refused_in_bounded_time_and_then_at_once() -> None:
    async def check(trials: GrammarTrials) -> None:
        await trials.admit(EASY)  # the process has started
        begin = time.monotonic()
        assert "takes longer than 2 seconds to compile" in await refusal(trials, HARD)
        assert time.monotonic() - begin < PATIENCE
        begin = time.monotonic()
        await refusal(trials, HARD)
        assert time.monotonic() - begin < 0.1
        await trials.admit(EASY)

    trying(check)


def test_a_grammar_that_needs_too_much_memory_is_refused() -> None:
    async def check(trials: GrammarTrials) -> None:
        assert "needs too much memory" in await refusal(trials, HARD)

    trying(check, memory=4 << 20)


def test_a_grammar_that_does_not_compile_is_refused_with_the_compilers_reason() -> None:
    async def check(trials: GrammarTrials) -> None:
        assert "The answer type cannot constrain decoding: " in await refusal(trials, ClientGrammar("root ::= "))
        assert "enum array must not be empty" in await refusal(trials, JsonSchema('{"enum": []}'))

    trying(check)


def test_a_client_that_leaves_leaves_the_next_one_undisturbed() -> None:
    async def check(trials: GrammarTrials) -> None:
        await trials.admit(EASY)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(trials.admit(HARD), 0.2)
        await trials.admit(JsonSchema('{"type":"integer"}'))
        assert "takes longer" in await refusal(trials, HARD)

    trying(check)


def test_a_process_that_was_killed_is_started_again() -> None:
    async def check(trials: GrammarTrials) -> None:
        await trials.admit(EASY)
        waiting = asyncio.create_task(trials.admit(HARD))
        await asyncio.sleep(0.2)
        os.kill(process_of(trials), signal.SIGKILL)
        with pytest.raises(KitError, match="could not be tried"):
            await waiting
        await trials.admit(JsonSchema('{"type":"boolean"}'))

    trying(check)


def test_the_types_of_a_bundle_start_no_process() -> None:
    async def check(trials: GrammarTrials) -> None:
        await trials.admit(Finding)
        await trials.admit(as_schema(Finding))
        assert trials._process is None

    trying(check)


def test_the_process_ends_with_its_owner() -> None:
    found: list[int] = []

    async def check(trials: GrammarTrials) -> None:
        await trials.admit(EASY)
        found.append(process_of(trials))

    trying(check)
    assert not Path(f"/proc/{found[0]}").exists()


def test_the_local_engine_answers_others_while_a_hard_grammar_is_tried() -> None:
    async def check() -> None:
        engine = LocalEngine(EngineConfig(NANO, threads=1))
        await engine.start()
        try:
            hard = asyncio.create_task(engine.generate(ask("List them.", HARD)))
            answered = 0
            while not hard.done():
                async with asyncio.timeout(PATIENCE):
                    completion = await engine.generate(ask("What is a contract?", Finding, max_tokens=4))
                assert len(completion.token_ids) == 4
                answered += 1
            with pytest.raises(InputError, match="takes longer than 3 seconds to compile"):
                await hard
            assert answered > 3
        finally:
            await engine.stop()

    asyncio.run(check())
