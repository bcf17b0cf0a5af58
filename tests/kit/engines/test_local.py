"""The local engine: equal to transformers, independent of the batch, constrained, bounded, with adapters."""

from __future__ import annotations

import asyncio
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from kit.base import NANO, find_base
from kit.engines.base import EngineConfig
from kit.engines.local import LocalEngine
from kit.engines.local.worker import MAX_ROWS, MAX_TOKENS, Generating, Scoring, choose_joining
from kit.errors import InputError, KitError
from kit.task import Choices, Completion, parse_answer, write_answer
from tests.kit.bases import copy_nano, edit_json
from tests.kit.engines.load_checks import growth_per_load
from tests.kit.engines.settings_checks import CHECKS, Check

from .parts import QUESTIONS, RENDERER, Finding, answer_and_stream, ask, load_nano, save_random_adapter


def near(left: tuple[float, ...], right: tuple[float, ...]) -> bool:
    return len(left) == len(right) and all(abs(a - b) < 2e-3 for a, b in zip(left, right, strict=True))


def test_greedy_decoding_gives_what_transformers_itself_generates(local: LocalEngine, loop: asyncio.Runner) -> None:
    model, request = load_nano(), ask(QUESTIONS[0], max_tokens=16, stop_ids=())
    expected = model.generate(torch.tensor([request.ids]), max_new_tokens=16, do_sample=False, eos_token_id=-1)

    completion = loop.run(local.generate(request))

    assert completion.token_ids == tuple(expected[0, len(request.ids) :].tolist())
    assert completion.finish == "length"


def test_rows_of_a_batch_equal_rows_decoded_alone(local: LocalEngine, loop: asyncio.Runner) -> None:
    requests = [
        ask(question, Finding if index % 2 else Choices(("good", "bad"))) for index, question in enumerate(QUESTIONS)
    ] + [ask(question) for question in QUESTIONS]

    async def together() -> list[Completion]:
        return list(await asyncio.gather(*map(local.generate, requests)))

    for one, many in zip(
        [loop.run(local.generate(request)) for request in requests], loop.run(together()), strict=True
    ):
        assert one.token_ids == many.token_ids
        assert near(one.logprobs, many.logprobs)


def test_requests_join_a_running_batch_and_equal_rows_decoded_alone(local: LocalEngine, loop: asyncio.Runner) -> None:
    """Later prompts are both shorter and longer than what the cache holds; one has a grammar, one its own seed."""
    first = ask(QUESTIONS[0], max_tokens=160, stop_ids=())
    later = [
        ask(QUESTIONS[5], max_tokens=4),
        ask(QUESTIONS[1] * 12, max_tokens=6),
        ask(QUESTIONS[3], Finding, max_tokens=12),
        ask(QUESTIONS[7], max_tokens=8, temperature=1.0, seed=7),
    ]

    async def staggered() -> tuple[str, list[Completion], bool]:
        stream = local.stream(first)
        text = (await anext(stream)).text
        joined = [asyncio.create_task(local.generate(request)) for request in later]
        async for delta in stream:
            text += delta.text
            done_before_the_end = delta.finish is None and all(task.done() for task in joined)
            if done_before_the_end:
                break
        async for delta in stream:
            text += delta.text
        return text, [await task for task in joined], done_before_the_end

    alone = [loop.run(local.generate(request)) for request in (first, *later)]
    text, completions, joined = loop.run(staggered())

    assert joined
    assert text == alone[0].text
    for one, many in zip(alone[1:], completions, strict=True):
        assert one.token_ids == many.token_ids
        assert near(one.logprobs, many.logprobs)


def test_another_kind_of_request_is_not_kept_waiting_by_those_that_could_join() -> None:
    first, other, last = (Generating(ask(QUESTIONS[0], adapter=adapter)) for adapter in (None, "a", None))
    width = first.length
    assert choose_joining([first, last], None, 1, width, 24) == [first, last]
    assert choose_joining([first, other, last], None, 1, width, 24) == [first]
    assert choose_joining([Scoring((1, 2), None), last], None, 1, width, 24) == []
    assert choose_joining([first], None, MAX_ROWS, width, 24) == []
    assert choose_joining([first], None, 1, MAX_TOKENS // 2, 24) == []


def test_log_probabilities_are_those_of_the_same_tokens_scored(local: LocalEngine, loop: asyncio.Runner) -> None:
    request = ask(QUESTIONS[3])
    completion = loop.run(local.generate(request))
    scores = loop.run(local.score((*request.ids, *completion.token_ids)))
    assert near(scores[len(request.ids) - 1 :], completion.logprobs)


def test_scores_do_not_depend_on_the_batch(local: LocalEngine, loop: asyncio.Runner) -> None:
    sequences = [ask(question).ids for question in QUESTIONS]

    async def together() -> list[tuple[float, ...]]:
        return list(await asyncio.gather(*map(local.score, sequences)))

    alone = [loop.run(local.score(ids)) for ids in sequences]
    assert all(near(one, many) for one, many in zip(alone, loop.run(together()), strict=True))
    assert [len(scores) for scores in alone] == [len(ids) - 1 for ids in sequences]


@pytest.mark.parametrize("temperature", [0.0, 1.5])
def test_a_constrained_answer_parses_or_says_that_it_was_cut(
    local: LocalEngine, loop: asyncio.Runner, temperature: float
) -> None:
    requests = [ask(question, Finding, 48, temperature=temperature, seed=7) for question in QUESTIONS]

    async def together() -> list[Completion]:
        return list(await asyncio.gather(*map(local.generate, requests)))

    finished = [completion for completion in loop.run(together()) if completion.finish == "stop"]
    assert finished
    for completion in finished:
        parsed = parse_answer(Finding, completion)
        assert completion.text == write_answer(parsed)


def test_a_choice_is_always_one_of_the_labels(local: LocalEngine, loop: asyncio.Runner) -> None:
    labels = ('quoted "yes"', "no\\yes", "zwei\nlines", "中文😀")
    seen = {
        loop.run(local.generate(ask(QUESTIONS[0], Choices(labels), temperature=2.0, seed=seed))).text
        for seed in range(16)
    }
    assert len(seen) > 1
    assert seen <= set(labels)


def test_log_probabilities_of_a_choice_are_normalised_over_the_allowed_tokens(
    local: LocalEngine, loop: asyncio.Runner
) -> None:
    request = ask(QUESTIONS[0], Choices(("only",)))
    certain = loop.run(local.generate(request))
    unconstrained = loop.run(local.score((*request.ids, *certain.token_ids)))[len(request.ids) - 1 :]
    assert certain.text == "only"
    assert sum(certain.logprobs) > math.log(0.9)  # the rest is the same word, cut into other tokens
    assert sum(unconstrained) < math.log(0.1)


def test_equal_seeds_give_equal_answers_in_any_batch(local: LocalEngine, loop: asyncio.Runner) -> None:
    request = ask(QUESTIONS[4], temperature=1.2, top_p=0.95, top_k=50, seed=11)

    async def together() -> list[Completion]:
        others = [ask(question, temperature=1.0) for question in QUESTIONS]
        return list(await asyncio.gather(*map(local.generate, [*others, request])))

    alone = loop.run(local.generate(request))
    assert loop.run(together())[-1].token_ids == alone.token_ids
    seeds = {loop.run(local.generate(ask(QUESTIONS[4], temperature=1.2, seed=seed))).token_ids for seed in range(4)}
    assert len(seeds) > 1


def test_top_k_of_one_and_a_tiny_top_p_are_greedy(local: LocalEngine, loop: asyncio.Runner) -> None:
    greedy = loop.run(local.generate(ask(QUESTIONS[2]))).token_ids
    assert loop.run(local.generate(ask(QUESTIONS[2], temperature=2.0, top_k=1))).token_ids == greedy
    assert loop.run(local.generate(ask(QUESTIONS[2], temperature=2.0, top_p=1e-6))).token_ids == greedy


@pytest.mark.parametrize(
    "odd", [{"temperature": 1.0, "top_p": 1e-300}, {"temperature": 1e-300}, {"temperature": 5e-324, "top_p": 5e-324}]
)
def test_settings_too_small_for_single_precision_are_greedy(
    local: LocalEngine, loop: asyncio.Runner, odd: dict[str, Any]
) -> None:
    greedy = loop.run(local.generate(ask(QUESTIONS[1])))
    assert loop.run(local.generate(ask(QUESTIONS[1], **odd))).token_ids == greedy.token_ids


def test_a_stop_string_ends_the_answer_and_is_no_part_of_it(local: LocalEngine, loop: asyncio.Runner) -> None:
    whole = loop.run(local.generate(ask(QUESTIONS[0])))
    stop = whole.text[7:11]
    completion, deltas = loop.run(answer_and_stream(local, ask(QUESTIONS[0], stop=(stop, "never said"))))

    assert completion.text == whole.text[: whole.text.index(stop)]
    assert completion.finish == "stop"
    assert completion.token_ids == whole.token_ids[: len(completion.token_ids)]
    assert len(completion.logprobs) == len(completion.token_ids)
    assert "".join(delta.text for delta in deltas) == completion.text


def test_a_stream_adds_up_to_the_answer_and_never_splits_a_character(local: LocalEngine, loop: asyncio.Runner) -> None:
    label = "né en 中文 👩‍🚀 fin"
    completion, deltas = loop.run(answer_and_stream(local, ask(QUESTIONS[7], Choices((label,)), 64)))

    assert completion.text == label
    assert len(deltas) > 5
    assert "".join(delta.text for delta in deltas) == label
    assert all("�" not in delta.text for delta in deltas)
    assert tuple(token for delta in deltas for token in delta.token_ids) == completion.token_ids
    assert [delta.finish for delta in deltas if delta.finish] == ["stop"] == [deltas[-1].finish]


def test_the_context_bounds_the_answer(loop: asyncio.Runner) -> None:
    async def run() -> Completion:
        engine = LocalEngine(EngineConfig(NANO, max_length=40))
        await engine.start()
        try:
            with pytest.raises(InputError, match="leaves no room"):
                await engine.generate(ask("word " * 60))
            return await engine.generate(ask("Hi", max_tokens=500, stop_ids=()))
        finally:
            await engine.stop()

    completion = loop.run(run())
    assert completion.finish == "length"
    assert len(ask("Hi").ids) + len(completion.token_ids) == 40


def test_requests_that_no_engine_could_answer_are_refused(local: LocalEngine, loop: asyncio.Runner) -> None:
    for request, words in [
        (ask("Hi", Finding, stop_ids=()), "needs a stop token"),
        (ask("Hi", top_p=0.0), "out of bounds"),
        (ask("Hi", temperature=2.5), "out of bounds"),
        (ask("Hi", max_tokens=0), "out of bounds"),
    ]:
        with pytest.raises(InputError, match=words):
            loop.run(local.generate(request))
    with pytest.raises(InputError, match="nothing to score"):
        loop.run(local.score(()))
    with pytest.raises(KitError, match="No adapter 'nobody'"):
        loop.run(local.generate(ask("Hi", adapter="nobody")))


def test_an_adapter_changes_answers_and_the_base_stays_unchanged(local: LocalEngine, loop: asyncio.Runner) -> None:
    async def answers(engine: LocalEngine, *names: str | None) -> list[list[tuple[int, ...]]]:
        """The tokens of every question's answer, by adapter; all at once."""
        asked = [ask(question, adapter=name) for name in names for question in QUESTIONS]
        found = [completion.token_ids for completion in await asyncio.gather(*map(engine.generate, asked))]
        return [found[start : start + len(QUESTIONS)] for start in range(0, len(found), len(QUESTIONS))]

    async def plain() -> tuple[list[list[tuple[int, ...]]], tuple[float, ...]]:
        engine = LocalEngine(EngineConfig(NANO, dtype="float32"))
        await engine.start()
        try:
            return await answers(engine, None), await engine.score(ask(QUESTIONS[4]).ids)
        finally:
            await engine.stop()

    base, tuned, base_again, tuned_again = loop.run(answers(local, None, "tuned", None, "tuned"))
    (untouched,), scores = loop.run(plain())
    assert tuned != base
    assert base == base_again == untouched
    assert tuned == tuned_again
    assert near(loop.run(local.score(ask(QUESTIONS[4]).ids)), scores)
    assert not near(loop.run(local.score(ask(QUESTIONS[4]).ids, "tuned")), scores)


def test_adapters_can_be_loaded_and_unloaded_while_the_engine_runs(
    tmp_path: Path, adapter: Path, loop: asyncio.Runner
) -> None:
    other = save_random_adapter(tmp_path / "other", seed=1)

    async def run() -> None:
        engine = LocalEngine(EngineConfig(NANO))
        await engine.start()
        before = await engine.score(ask(QUESTIONS[0]).ids)
        await engine.load("one", adapter)
        await engine.load("two", other)
        one, two = [await engine.score(ask(QUESTIONS[0]).ids, name) for name in ("one", "two")]
        assert one != two
        with pytest.raises(InputError, match="loaded already"):
            await engine.load("one", other)
        await engine.unload("one")
        assert await engine.score(ask(QUESTIONS[0]).ids, "two") == two
        with pytest.raises(KitError, match="No adapter 'one'"):
            await engine.score(ask(QUESTIONS[0]).ids, "one")
        await engine.unload("two")
        assert await engine.score(ask(QUESTIONS[0]).ids) == before
        await engine.stop()

    loop.run(run())


def test_two_hundred_loads_under_load_leave_no_memory_behind(
    local: LocalEngine, adapter: Path, loop: asyncio.Runner
) -> None:
    size = (adapter / "adapter_model.safetensors").stat().st_size
    growth = loop.run(growth_per_load(local, adapter))
    print(f"{growth / 1024:.1f} KiB per load of {size / 1024:.0f} KiB")
    assert growth < 0.05 * size


def test_an_engine_that_cannot_start_says_why(tmp_path: Path, loop: asyncio.Runner) -> None:
    cut = find_base(str(shutil.copytree(NANO, tmp_path / "cut"))).weight_files()[0]
    cut.write_bytes(cut.read_bytes()[:-1])
    untied = copy_nano(tmp_path / "untied")
    edit_json(untied / "config.json", tie_word_embeddings=False)
    for config, words in [
        (EngineConfig(cut.parent), "weights cannot be read: the file has been cut"),
        (EngineConfig(untied), r"no file holds lm_head\.weight"),
        (EngineConfig(tmp_path), "config.json and tokenizer.json missing"),
        (EngineConfig(NANO, max_length=100_000), "more than the 2048"),
        (EngineConfig(NANO, adapters={"none": tmp_path}), "configuration cannot be read"),
    ]:
        with pytest.raises(InputError, match=words):
            loop.run(LocalEngine(config).start())


def test_an_engine_that_does_not_run_says_so(loop: asyncio.Runner) -> None:
    engine = LocalEngine(EngineConfig(NANO))
    for call in (engine.health, lambda: engine.generate(ask("Hi")), lambda: engine.score((1, 2))):
        with pytest.raises(KitError, match="not running"):
            loop.run(call())


def test_stopping_the_engine_fails_waiting_requests(loop: asyncio.Runner) -> None:
    async def run() -> None:
        engine = LocalEngine(EngineConfig(NANO))
        await engine.start()
        await engine.health()
        waiting = [asyncio.create_task(engine.generate(ask("Hi", max_tokens=2000, stop_ids=()))) for _ in range(3)]
        await asyncio.sleep(0.05)
        await engine.stop()
        await engine.stop()
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert [str(outcome) for outcome in outcomes] == ["The engine was stopped."] * 3
        with pytest.raises(KitError, match="not running"):
            await engine.health()

    loop.run(run())


def test_renderer_and_engine_count_the_same_vocabulary() -> None:
    assert RENDERER.vocabulary_size == load_nano().config.vocab_size


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_every_sampling_setting_acts(local: LocalEngine, loop: asyncio.Runner, check: Check) -> None:
    loop.run(check(local))
