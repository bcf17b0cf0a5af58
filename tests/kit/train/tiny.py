"""A base of two narrow layers with random weights and fast steps, for tests that need no language."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, Qwen3Config

from kit.base import Base

CONFIG = Qwen3Config(
    vocab_size=160,
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=8,
    pad_token_id=6,
    tie_word_embeddings=True,
    max_position_embeddings=128,
)


def make_tiny(folder: Path) -> Base:
    """Write the base, and return it."""
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(CONFIG, dtype=torch.float32).save_pretrained(folder)
    return Base("tiny", None, folder)
