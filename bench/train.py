"""Useful tokens per second of our training loop, over a plain peft loop on padded batches: same rows, same model."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import Any

from bench.harness import Figures, alternate
from kit.base import Base, find_base
from kit.data.rows import Row
from kit.errors import Unmeasured
from kit.recipe import LoraSection, TrainSection

_ROWS = 16
_BATCH = 8
_PAIRS = 4
_COMPLETION = 0.12  # share of a row's tokens that carry the loss
_SECTION = TrainSection(lora=LoraSection(rank=16), epochs=1, batch_rows=_BATCH, batch_tokens=8192)


def measure() -> Figures:
    """Return tokens of rows, padding not counted, per second of optimiser steps on nano with LoRA on all linears."""
    try:
        import peft  # noqa: F401
    except ImportError:
        raise Unmeasured("Training is not installed.", next="pip install 'domainkit[train]'") from None
    rows, base = _rows(), find_base("nano")
    ratio = alternate(_rate(_ours(base, rows), rows), _rate(_plain(base, rows), rows), _PAIRS)
    return {"useful_tokens_per_second": {**ratio.figure("tokens/s"), "tokens": sum(len(row.ids) for row in rows)}}


def _rows() -> list[Row]:
    """Rows of 100 to 900 tokens, as lengths of real documents vary; which tokens they are does not change the work."""
    chance = random.Random(0)
    lengths = [chance.randint(100, 900) for _ in range(_ROWS)]
    return [
        Row(
            str(index), str(index), tuple(chance.choices(range(100, 8000), k=length)), round(length * (1 - _COMPLETION))
        )
        for index, length in enumerate(lengths)
    ]


def _rate(run: Callable[[], None], rows: Sequence[Row]) -> Callable[[], float]:
    tokens = sum(len(row.ids) for row in rows)

    def rate() -> float:
        began = time.perf_counter()
        run()
        return tokens / (time.perf_counter() - began)

    return rate


def _ours(base: Base, rows: Sequence[Row]) -> Callable[[], None]:
    """One pass over the rows by the loop that `kit train` runs."""
    from kit.train.loss import split_model
    from kit.train.machine import training_device
    from kit.train.methods import attach
    from kit.train.model import load_model
    from kit.train.optimiser import Optimiser
    from kit.train.plan import make_plan

    device = training_device()
    plan = make_plan(rows, _SECTION)
    model: Any = attach(load_model(base, "bfloat16", device), _SECTION, base.name)
    optimiser = Optimiser(split_model(model.train()), plan, 0, device)

    def run() -> None:
        outcomes = [optimiser.step(number) for number in range(len(plan.steps))]
        for outcome in outcomes:
            outcome.read(plan)

    return run


def _plain(base: Base, rows: Sequence[Row]) -> Callable[[], None]:
    """One pass as commonly written: shuffled rows, padded to the longest of a batch, the model's own loss."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    from kit.train.machine import training_device

    device = training_device()
    loaded = AutoModelForCausalLM.from_pretrained(base.folder, dtype=torch.bfloat16).to(device)
    config = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    model: Any = get_peft_model(loaded, config).train()
    adam = torch.optim.AdamW([each for each in model.parameters() if each.requires_grad], lr=2e-4)
    order = random.Random(1).sample(list(rows), len(rows))
    batches = [_padded(order[start : start + _BATCH], device) for start in range(0, len(order), _BATCH)]

    def run() -> None:
        for batch in batches:
            with torch.autocast(device.type, dtype=torch.bfloat16):
                loss = model(**batch).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), _SECTION.clip)
            adam.step()
            adam.zero_grad()
            loss.item()

    return run


def _padded(rows: Sequence[Row], device: Any) -> dict[str, Any]:
    import torch

    longest = max(len(row.ids) for row in rows)
    ids = [[*row.ids, *[0] * (longest - len(row.ids))] for row in rows]
    mask = [[1] * len(row.ids) + [0] * (longest - len(row.ids)) for row in rows]
    labels = [
        [-100] * row.answer_start + [*row.ids[row.answer_start :]] + [-100] * (longest - len(row.ids)) for row in rows
    ]
    columns = {"input_ids": ids, "attention_mask": mask, "labels": labels}
    return {name: torch.tensor(column, device=device) for name, column in columns.items()}
