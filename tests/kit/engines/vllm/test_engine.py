"""vLLM against the local engine: same prompts, same grammar, same log-probabilities within a measured noise floor."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from kit.base import NANO
from kit.engines.base import Engine, EngineConfig, Generation, Sampling
from kit.engines.local import LocalEngine
from kit.engines.vllm.engine import VllmEngine
from kit.errors import InputError, KitError
from kit.task import AnswerSpec, Choices, Completion, FreeText, parse_answer, write_answer
from tests.kit.engines.load_checks import growth_per_load
from tests.kit.engines.parts import QUESTIONS, Finding, answer_and_stream, ask, legal_documents, save_random_adapter
from tests.kit.engines.settings_checks import CHECKS, Check

pytestmark = pytest.mark.vllm
SPECS: tuple[AnswerSpec, ...] = (FreeText(), Finding)
BEGINNINGS = [text[:300] for text in legal_documents(30)]
FIFTY = [*(ask(question, spec, 32) for question in QUESTIONS for spec in SPECS), *(ask(each) for each in BEGINNINGS)]


@pytest.fixture(scope="module")
def vllm(loop: asyncio.Runner, adapter: Path) -> Iterator[VllmEngine]:
    engine = VllmEngine(EngineConfig(NANO, adapters={"tuned": adapter}))
    loop.run(engine.start())
    yield engine
    loop.run(engine.stop())


@pytest.fixture(scope="module")
def half(loop: asyncio.Runner, adapter: Path) -> Iterator[LocalEngine]:
    """The local engine in the dtype that vLLM runs in."""
    engine = LocalEngine(EngineConfig(NANO, compute="bfloat16", adapters={"tuned": adapter}))
    loop.run(engine.start())
    yield engine
    loop.run(engine.stop())


async def answers(engine: Engine, requests: list[Generation]) -> list[Completion]:
    return list(await asyncio.gather(*map(engine.generate, requests)))


async def scores(engine: Engine, sequences: list[tuple[int, ...]], adapter: str | None) -> list[tuple[float, ...]]:
    return list(await asyncio.gather(*[engine.score(ids, adapter) for ids in sequences]))


def mean_gap(left: list[tuple[float, ...]], right: list[tuple[float, ...]]) -> float:
    gaps = [abs(a - b) for a, b in zip(chain(*left), chain(*right), strict=True)]
    return sum(gaps) / len(gaps)


@pytest.mark.parametrize("adapter_name", [None, "tuned"])
def test_fifty_answers_have_the_same_log_probabilities_within_the_noise_floor(
    vllm: Engine, half: LocalEngine, local: LocalEngine, loop: asyncio.Runner, adapter_name: str | None
) -> None:
    # `score` looks up each token in the engine's output for the prompt: if the engine read other tokens, it would fail.
    written = loop.run(answers(vllm, FIFTY))
    sequences = [(*request.ids, *answer.token_ids) for request, answer in zip(FIFTY, written, strict=True)]
    exact, ours, theirs = [loop.run(scores(engine, sequences, adapter_name)) for engine in (local, half, vllm)]
    floor = mean_gap(exact, ours)
    assert floor > 0
    print(f"{adapter_name}: float32 to bfloat16 {floor:.4f}, local to vLLM {mean_gap(ours, theirs):.4f}")
    assert mean_gap(ours, theirs) <= 3 * floor
    if adapter_name:
        assert mean_gap(theirs, loop.run(scores(vllm, sequences, None))) > 10 * floor


def test_greedy_answers_start_equal_and_mostly_stay_equal(
    vllm: Engine, half: LocalEngine, loop: asyncio.Runner
) -> None:
    pairs = list(zip(loop.run(answers(vllm, FIFTY)), loop.run(answers(half, FIFTY)), strict=True))
    same = [theirs for theirs, ours in pairs if theirs.token_ids == ours.token_ids]
    assert len(same) >= len(FIFTY) * 3 // 4  # near ties can go either way in bfloat16
    for theirs, ours in pairs:
        if theirs.token_ids == ours.token_ids:
            assert (theirs.text, theirs.finish) == (ours.text, ours.finish)
            assert mean_gap([theirs.logprobs], [ours.logprobs]) < 0.1


@pytest.mark.parametrize("temperature", [0.0, 1.5])
def test_a_constrained_answer_parses_or_says_that_it_was_cut(
    vllm: Engine, loop: asyncio.Runner, temperature: float
) -> None:
    requests = [ask(question, Finding, 48, temperature=temperature, seed=7) for question in QUESTIONS]
    finished = [completion for completion in loop.run(answers(vllm, requests)) if completion.finish == "stop"]
    assert finished
    for completion in finished:
        assert completion.text == write_answer(parse_answer(Finding, completion))


def test_a_choice_is_always_one_of_the_labels(vllm: Engine, loop: asyncio.Runner) -> None:
    labels = ('quoted "yes"', "no\\yes", "zwei\nlines", "中文😀")
    requests = [ask(QUESTIONS[0], Choices(labels), temperature=2.0, seed=seed) for seed in range(16)]
    seen = {completion.text for completion in loop.run(answers(vllm, requests))}
    assert len(seen) > 1
    assert seen <= set(labels)


def test_streams_stop_strings_and_characters_are_those_of_the_local_engine(
    vllm: Engine, half: LocalEngine, loop: asyncio.Runner
) -> None:
    for request in [
        ask(QUESTIONS[7], Choices(("né en 中文 👩‍🚀 fin",)), 64),
        ask(QUESTIONS[0], stop=("y pay", "never said")),
        ask(QUESTIONS[0], max_tokens=3),
    ]:
        (theirs, deltas), (ours, our_deltas) = [loop.run(answer_and_stream(engine, request)) for engine in (vllm, half)]
        assert (theirs.text, theirs.token_ids, theirs.finish) == (ours.text, ours.token_ids, ours.finish)
        for pieces in (deltas, our_deltas):
            assert "".join(delta.text for delta in pieces) == ours.text
            assert tuple(token for delta in pieces for token in delta.token_ids) == ours.token_ids
            assert pieces[-1].finish == ours.finish


def test_seeded_requests_that_arrive_together_do_not_kill_the_engine(vllm: Engine, loop: asyncio.Runner) -> None:
    # Read over several steps, as vLLM does by default, the prompts killed it ("CPU Generator does not use offset").
    assert vllm.capabilities.seeds
    sampling = Sampling(max_tokens=4, temperature=1.0, seed=7)
    long = [Generation(tuple((row * 37 + at * 11) % 8000 + 10 for at in range(1350)), sampling) for row in range(4)]
    short = [Generation(tuple((row * 37 + at * 11) % 8000 + 10 for at in range(12)), sampling) for row in range(300)]
    assert [len(answer.token_ids) for answer in loop.run(answers(vllm, [*long, *short]))] == [4] * 304
    loop.run(vllm.health())


@pytest.mark.parametrize(
    "odd", [{"top_k": 2**31 - 1}, {"top_p": 1e-300}, {"temperature": 1e-300}, {"seed": -(2**63)}, {"seed": 2**63 - 1}]
)
def test_no_accepted_sampling_setting_kills_the_engine(vllm: Engine, loop: asyncio.Runner, odd: dict[str, Any]) -> None:
    request = ask(QUESTIONS[0], max_tokens=4, stop_ids=())
    sampling = replace(request.sampling, **{"temperature": 1.0, "seed": 7, **odd})
    assert loop.run(vllm.generate(replace(request, sampling=sampling))).finish == "length"
    loop.run(vllm.health())


def test_an_adapter_changes_answers_and_the_base_stays_unchanged(vllm: Engine, loop: asyncio.Runner) -> None:
    before = loop.run(answers(vllm, [ask(QUESTIONS[4])]))[0]
    mixed = loop.run(answers(vllm, [ask(QUESTIONS[4], adapter=name) for name in (None, "tuned", None, "tuned")]))
    assert before.token_ids == mixed[0].token_ids == mixed[2].token_ids
    assert mixed[1].token_ids == mixed[3].token_ids
    base, tuned = ([ask(question, adapter=name) for question in QUESTIONS] for name in (None, "tuned"))
    found = [completion.token_ids for completion in loop.run(answers(vllm, [*base, *tuned]))]
    assert found[: len(base)] != found[len(base) :]


def test_adapters_can_be_loaded_and_unloaded_while_the_engine_runs(
    vllm: Engine, tmp_path: Path, loop: asyncio.Runner
) -> None:
    ids = ask(QUESTIONS[0]).ids
    folders = [save_random_adapter(tmp_path / str(seed), seed) for seed in (1, 2)]

    async def run() -> None:
        found = [await vllm.score(ids), await vllm.score(ids, "tuned")]
        for folder in folders:
            await vllm.load("passing", folder)
            found.append(await vllm.score(ids, "passing"))
            await vllm.unload("passing")
        assert len(set(found)) == 4
        assert found[1] == await vllm.score(ids, "tuned")
        with pytest.raises(KitError, match="No adapter 'passing'"):
            await vllm.score(ids, "passing")

    loop.run(run())


def test_an_adapter_with_wrong_keys_is_refused_and_the_engine_keeps_running(
    vllm: Engine, adapter: Path, tmp_path: Path, loop: asyncio.Runner
) -> None:
    weights = (adapter / "adapter_model.safetensors").read_bytes()
    (tmp_path / "adapter_model.safetensors").write_bytes(weights.replace(b"model.layers.", b"model.blocks."))
    (tmp_path / "adapter_config.json").write_bytes((adapter / "adapter_config.json").read_bytes())
    with pytest.raises(InputError, match="fits no module"):
        loop.run(vllm.load("odd", tmp_path))
    loop.run(vllm.health())
    assert loop.run(vllm.generate(ask("Hi", max_tokens=1, stop_ids=()))).finish == "length"


def test_a_sequence_as_long_as_the_context_can_be_scored(vllm: Engine, loop: asyncio.Runner) -> None:
    assert len(loop.run(vllm.score((9,) * 2048))) == 2047
    assert loop.run(vllm.score((9,))) == ()
    with pytest.raises(InputError, match="the context holds 2048"):
        loop.run(vllm.score((9,) * 2049))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_every_sampling_setting_acts(vllm: Engine, loop: asyncio.Runner, check: Check) -> None:
    loop.run(check(vllm))


def test_closed_streams_and_cancelled_requests_free_their_slots(vllm: VllmEngine, loop: asyncio.Runner) -> None:
    endless = ask("Hi", max_tokens=1500, stop_ids=())

    async def run() -> tuple[int, int]:
        waiting = asyncio.create_task(vllm.generate(endless))
        stream = vllm.stream(endless)
        await anext(stream)
        busy = vllm._running().get_num_unfinished_requests()
        waiting.cancel()
        assert isinstance(stream, AsyncGenerator)
        await stream.aclose()
        await asyncio.gather(waiting, return_exceptions=True)
        return busy, vllm._running().get_num_unfinished_requests()

    assert loop.run(run()) == (2, 0)


def test_two_hundred_loads_under_load_leave_no_memory_behind(
    vllm: VllmEngine, adapter: Path, loop: asyncio.Runner
) -> None:
    size = (adapter / "adapter_model.safetensors").stat().st_size
    growth = loop.run(growth_per_load(vllm, adapter))
    print(f"{growth / 1024:.1f} KiB per load of {size / 1024:.0f} KiB")
    assert growth < 0.05 * size


def test_nothing_is_left_behind_when_the_engine_stops(vllm: Engine, loop: asyncio.Runner) -> None:
    before = engine_processes()
    loop.run(vllm.stop())
    loop.run(vllm.stop())
    assert before
    assert not engine_processes() & before
    with pytest.raises(KitError, match="not running"):
        loop.run(vllm.health())


def engine_processes() -> set[int]:
    """Ids of this process's descendants that belong to vLLM, zombies included."""
    parents = {int(folder.name): folder for folder in Path("/proc").iterdir() if folder.name.isdigit()}
    family, grown = {os.getpid()}, True
    while grown:
        children = {pid for pid, folder in parents.items() if pid not in family and parent_of(folder) in family}
        family |= children
        grown = bool(children)
    return {pid for pid in family if name_of(parents[pid]).startswith("VLLM::")}


def parent_of(folder: Path) -> int:
    return int(status(folder).get("PPid", "0"))


def name_of(folder: Path) -> str:
    return status(folder).get("Name", "")


def status(folder: Path) -> dict[str, str]:
    try:
        lines = (folder / "status").read_text().splitlines()
    except OSError:  # it ended meanwhile
        return {}
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}
