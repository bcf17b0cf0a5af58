"""How much vLLM and transformers differ on the same greedy answers, compared with the noise of transformers itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bench.shared.harness import Figure, Figures
from bench.shared.requirements import require_vllm
from kit.base import NANO
from kit.chat import Renderer
from kit.engines import Kind, make_engine
from kit.engines.answerer import run_concurrently
from kit.engines.base import Engine, EngineConfig, Generation, Sampling
from kit.recipe import FloatType
from kit.task import FreeText, Message, Prompt

_ANSWER_TOKENS = 32
_THINGS = ("notice", "payment", "delivery", "audit", "renewal", "insurance", "transfer", "access", "repair", "storage")

Gaps = list[float]


@dataclass(frozen=True)
class _Answer:
    """The token ids of a prompt and of its greedy answer, with the log-probabilities of the answer's tokens."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]
    logprobs: tuple[float, ...]


def measure() -> Figures:
    """Return the mean and largest absolute difference of the log-probabilities of the answers' tokens.

    `vllm` compares vLLM with transformers, both in bfloat16. `noise` compares transformers in bfloat16 with float32, on
    the same tokens in the same run. `vllm_over_noise` is the ratio of the means.
    """
    require_vllm()
    return asyncio.run(_measure())


async def _measure() -> Figures:
    async with _engine("local", "bfloat16") as engine:
        answers = await _greedy(engine)
    async with _engine("local", "float32") as engine:
        noise = _gaps(answers, await _scored(engine, answers))
    async with _engine("vllm", "bfloat16") as engine:
        vllm = _gaps(answers, await _scored(engine, answers))
        theirs = await _greedy(engine)
    same = sum(one.answer == two.answer for one, two in zip(answers, theirs, strict=True))
    ratio = (sum(vllm) / len(vllm)) / (sum(noise) / len(noise))
    return {
        "vllm": _figure(vllm),
        "noise": _figure(noise),
        "vllm_over_noise": {"ratio": round(ratio, 3)},
        "same_greedy_answer": {"count": same, "of": len(answers)},
    }


def _prompts() -> list[tuple[int, ...]]:
    renderer = Renderer(NANO)
    texts = [
        f"{verb} the {thing} clause of this contract: Either party may ask for {thing} within {days} days of the month."
        for days, thing in enumerate(_THINGS, 3)
        for verb in ("Quote", "Explain")
    ]
    prompts = [Prompt(FreeText(), _ANSWER_TOKENS, messages=(Message.of("user", text),)) for text in texts]
    return [renderer.prompt(prompt) for prompt in prompts]


@asynccontextmanager
async def _engine(kind: Kind, dtype: FloatType) -> AsyncIterator[Engine]:
    engine = make_engine(kind, EngineConfig(NANO, dtype=dtype, compute=dtype, max_length=512))
    try:
        await engine.start()
        yield engine
    finally:
        await engine.stop()


async def _greedy(engine: Engine) -> list[_Answer]:
    sampling = Sampling(max_tokens=_ANSWER_TOKENS, stop_ids=Renderer(NANO).stop_ids)
    prompts = _prompts()
    written = await run_concurrently([engine.generate(Generation(ids, sampling)) for ids in prompts])
    return [
        _Answer(prompt, completion.token_ids, completion.logprobs)
        for prompt, completion in zip(prompts, written, strict=True)
    ]


async def _scored(engine: Engine, answers: Sequence[_Answer]) -> list[tuple[float, ...]]:
    """Return the log-probabilities that an engine gives to the answers' tokens."""
    scores = await run_concurrently([engine.score((*each.prompt, *each.answer)) for each in answers])
    return [score[len(each.prompt) - 1 :] for each, score in zip(answers, scores, strict=True)]


def _gaps(answers: Sequence[_Answer], scores: Sequence[Sequence[float]]) -> Gaps:
    return [
        abs(ours - theirs)
        for answer, score in zip(answers, scores, strict=True)
        for ours, theirs in zip(answer.logprobs, score, strict=True)
    ]


def _figure(gaps: Gaps) -> Figure:
    mean = sum(gaps) / len(gaps)
    return {"mean": round(mean, 5), "largest": round(max(gaps), 4), "tokens": len(gaps), "unit": "natural log"}
