"""Shared by the tests of the engines: an answer type, requests to nano, and an untrained adapter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM

from kit.base import NANO
from kit.chat import Renderer
from kit.engines.base import FREE_TEXT, Engine, Generation, Sampling
from kit.project.template import find_template
from kit.task import AnswerSpec, Message, Prompt, Strict

RENDERER = Renderer(NANO)
QUESTIONS = (
    "What is a contract?",
    "Which law governs this agreement? This Agreement is governed by the laws of Norland.",
    "My card was declined abroad, what now?",
    "Quote the term. The term of this lease is three years from the first of May.",
    "Say something about hearts.",
    "def add(a, b):",
    "Is the tenant liable for repairs? The tenant repairs the roof; the landlord repairs the walls.",
    "Étage, größer, 中文, 😀 — repeat these words.",
    "List the parties: Oakfold Ltd and Brindle Works.",
    "Who may end the contract, and when?",
)


class Finding(Strict):
    """A label and quotes, like the answer of a task."""

    label: Literal["present", "absent"]
    quotes: list[str]


def ask(
    text: str, answer: AnswerSpec = FREE_TEXT, max_tokens: int = 24, adapter: str | None = None, **sampling: Any
) -> Generation:
    """Return a request for a chat of one turn; it ends with nano's own stop tokens unless set otherwise."""
    ids = RENDERER.prompt(Prompt(answer, max_tokens, messages=(Message.of("user", text),)))
    return Generation(ids, Sampling(max_tokens, **{"stop_ids": RENDERER.stop_ids, **sampling}), answer, adapter)


def legal_documents(count: int) -> list[str]:
    """Return the first documents that the legal template tests on."""
    lines = (find_template("legal").folder / "data" / "test.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["request"]["text"] for line in lines[:count]]


def load_nano(dtype: torch.dtype = torch.float32) -> Any:
    return AutoModelForCausalLM.from_pretrained(NANO, dtype=dtype)


def with_random_adapter(seed: int, rank: int = 8) -> PeftModel:
    """Return nano with an adapter whose matrices are random, and large enough to change its answers."""
    torch.manual_seed(seed)
    settings = LoraConfig(r=rank, lora_alpha=rank, target_modules="all-linear", init_lora_weights=False)
    model = get_peft_model(load_nano(), settings)
    for name, weights in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weights, std=0.2)
    return model


def save_random_adapter(folder: Path, seed: int = 0, rank: int = 8) -> Path:
    with_random_adapter(seed, rank).save_pretrained(folder)
    return folder


async def answer_and_stream(engine: Engine, request: Generation) -> tuple[Any, list[Any]]:
    """Ask the same request twice: whole, and as a stream."""
    return await engine.generate(request), [delta async for delta in engine.stream(request)]
