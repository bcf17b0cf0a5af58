"""Rows that share prefixes in every possible way, and a tiny model of nano's architecture."""

from __future__ import annotations

import random

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, PretrainedConfig, Qwen3Config

from kit.data.rows import Row

VOCABULARY = 64
TINY = {
    "vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip


def tiny_model(config: PretrainedConfig | None = None) -> PeftModel:
    """Return a random model with adapters that have an effect."""
    torch.manual_seed(0)
    base = AutoModelForCausalLM.from_config(config or Qwen3Config(**TINY, head_dim=8), dtype=torch.float32)
    model = get_peft_model(base, LoraConfig(r=8, target_modules="all-linear"))
    for name, parameter in model.named_parameters():
        if "lora_B" in name:  # a fresh second factor is zero, and would hide the gradient of the first
            parameter.data.normal_(0, 0.1)
    return model


def token_rows(seed: int, depth: int) -> list[tuple[int, ...]]:
    """Return paths of a random tree: nodes of one token and more, ends at inner nodes, and equal rows."""
    draw = random.Random(seed)

    def tokens(most: int) -> tuple[int, ...]:
        return tuple(draw.randrange(3, VOCABULARY) for _ in range(draw.choice([1, draw.randint(1, most)])))

    def grow(path: tuple[int, ...], left: int) -> list[tuple[int, ...]]:
        path += tokens(9)
        ends = [path] if draw.random() < 0.3 else []
        below = [row for _ in range(draw.randint(2, 3)) for row in grow(path, left - 1)] if left > 1 else [path]
        return ends + below

    rows = [row for _ in range(draw.randint(1, 2)) for row in grow(tokens(3), depth)]
    rows += draw.choices(rows, k=2)
    draw.shuffle(rows)
    return rows[:16]


def tree_rows(seed: int, depth: int) -> list[Row]:
    """Return rows along such paths, each with a random start of its answer and a random weight."""
    draw = random.Random(seed)
    return [
        Row(f"row-{number}", "g", ids, draw.randrange(1, len(ids)), draw.choice([1.0, 0.5, 2.0]))
        for number, ids in enumerate(token_rows(seed, depth))
    ]


def contract_rows(contracts: int, questions: int, shared: int = 48, own: int = 12, answer: int = 4) -> list[Row]:
    """Return questions about contracts: each contract is a group whose rows share its text as a prefix."""
    draw = random.Random(7)
    rows = []
    for contract in range(contracts):
        text = [draw.randrange(100, 140) for _ in range(shared)]
        for question in range(questions):
            ids = (*text, *(draw.randrange(100, 140) for _ in range(own)), *text[:answer])
            rows.append(Row(f"{contract}-{question}", f"contract-{contract}", ids, len(ids) - answer))
    return rows
