"""A tiny language of few words, and a model that learns it in seconds."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from pretrain.model import make_model
from pretrain.schedule import Limit
from pretrain.settings import Settings, Shape
from pretrain.texts.stream import Stream, write_stream
from pretrain.training import Trainer

SHAPE = Shape(hidden=32, layers=2, heads=2, key_value_heads=1, head_size=16, feed_forward=64, positions=64)
VOCABULARY = 40


def settings(**chosen: Any) -> Settings:
    """Steps of 128 tokens."""
    small = {"step_tokens": 128, "lengths": ((16, 0.5), (32, 0.5)), "warmup_steps": 3}
    return Settings(**{**small, **chosen})


def make_stream(folder: Path, seed: int = 0) -> Stream:
    """Write pieces in which each token determines the next."""
    draw = random.Random(seed)
    pieces = []
    for _ in range(200):
        ids = [draw.randrange(VOCABULARY)]
        for _ in range(draw.randint(5, 40)):
            ids.append((ids[-1] * 7 + 3) % VOCABULARY)
        pieces.append(("rule", tuple(ids)))
    write_stream(pieces, folder)
    return Stream(folder, seed=0)


def trainer(folder: Path, tokens: int, **chosen: Any) -> Trainer:
    """A run of a number of tokens in a folder; it resumes the run that is there."""
    stream, fall = make_stream(folder / "mixture"), make_stream(folder / "mixture" / "fall", seed=1)
    model = make_model(SHAPE, VOCABULARY, end=2, pad=6, seed=0)
    measure = chosen.pop("measure", lambda model: {"all": 1.0})
    limit, setup = Limit(tokens=tokens), {"shape": "tiny"}
    run = folder / "run"
    return Trainer(model, stream, fall, settings(**chosen), run, limit, measure, setup, micro_tokens=64, compiled=False)
