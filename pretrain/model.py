"""The model: a Qwen3-shaped decoder, which transformers and vLLM can both load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import Qwen3Config, Qwen3ForCausalLM

from pretrain.muon import Muon
from pretrain.settings import Settings, Shape


def make_model(shape: Shape, vocabulary: int, end: int, pad: int, seed: int) -> Any:
    """Return a new model in float32; the matrices inside its layers are initialised from the seed."""
    torch.manual_seed(seed)
    config = Qwen3Config(
        vocab_size=vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.feed_forward,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.key_value_heads,
        head_dim=shape.head_size,
        max_position_embeddings=shape.positions,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=end,
        pad_token_id=pad,
        attn_implementation="sdpa",
    )
    return Qwen3ForCausalLM(config)


class Loss:
    """Mean nats per token, and the z-loss: (R, L+1) ids to two numbers.

    With `compiled`, one layer and the head are compiled for each shape; all layers share the code of the first.
    """

    def __init__(self, model: Any, compiled: bool = False) -> None:
        self._model = model
        self._score = torch.compile(_score, dynamic=False) if compiled else _score
        for layer in model.model.layers if compiled else ():
            layer.compile(dynamic=False)

    def __call__(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Return cross-entropy and the mean square of the log-normaliser (Chowdhery et al. 2022)."""
        hidden = self._model.model(input_ids=ids[:, :-1], use_cache=False).last_hidden_state
        return self._score(hidden, self._model.lm_head.weight, ids[:, 1:])


def _score(hidden: Tensor, table: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    logits = functional.linear(hidden, table).float().flatten(0, 1)
    normaliser = torch.logsumexp(logits, dim=-1)
    nats = functional.nll_loss(logits - normaliser[:, None], targets.flatten())
    return nats, normaliser.square().mean()


def make_optimisers(model: Any, settings: Settings) -> list[torch.optim.Optimizer]:
    """Return the optimisers: Muon for the matrices inside the layers, or AdamW for all; norms have no weight decay."""
    inside = [each for name, each in model.named_parameters() if each.ndim == 2 and "embed" not in name]
    chosen = {id(each) for each in inside}
    others = [each for each in model.parameters() if id(each) not in chosen]
    vectors, tables = [each for each in others if each.ndim < 2], [each for each in others if each.ndim >= 2]
    groups: list[dict[str, Any]] = [
        {"params": tables, "lr": settings.embedding_rate, "weight_decay": 0.0},
        {"params": vectors, "lr": settings.embedding_rate, "weight_decay": 0.0},
    ]
    rate, decay = settings.learning_rate, settings.weight_decay
    if settings.optimiser == "muon":
        return [_adamw(groups), Muon(inside, lr=rate, weight_decay=decay)]
    return [_adamw([*groups, {"params": inside, "lr": rate, "weight_decay": decay}])]


def bfloat16_pays(device: torch.device) -> bool:
    """Whether bfloat16 is faster than float32: on CUDA, and on a CPU with matrix units."""
    flags = Path("/proc/cpuinfo")
    if device.type == "cpu":
        return flags.is_file() and "amx_bf16" in flags.read_text(encoding="utf-8", errors="replace")
    return device.type == "cuda"


def _adamw(groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    return torch.optim.AdamW(groups, betas=(0.9, 0.95), eps=1e-8, fused=True)
