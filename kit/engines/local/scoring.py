"""Log-probabilities of given sequences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from kit.engines.base import TokenScore

_LOGITS_AT_ONCE = 2**26  # logits in float32 at a time: a quarter of a gigabyte


def score(model: Any, sequences: Sequence[Sequence[int]]) -> list[tuple[float, ...]]:
    """Return, for each sequence, the natural-log probability of every token but the first, given those before it."""
    longest = max(len(ids) for ids in sequences)
    # Padding on the right: causal attention never sees it, so it needs no mask.
    rows = [list(ids) + [0] * (longest - len(ids)) for ids in sequences]
    tokens = torch.tensor(rows, device=model.device)
    per_row = longest * model.config.get_text_config().vocab_size
    step = max(1, _LOGITS_AT_ONCE // per_row)
    logprobs = torch.cat([_logprobs(model, part) for part in torch.split(tokens, step)]).tolist()
    return [tuple(row[: len(ids) - 1]) for row, ids in zip(logprobs, sequences, strict=True)]


def _logprobs(model: Any, tokens: torch.Tensor) -> torch.Tensor:
    """Return log-probabilities of tokens[:, 1:], [rows, length - 1]."""
    logits: torch.Tensor = model(input_ids=tokens, use_cache=False).logits[:, :-1].float()
    return logits.gather(-1, tokens[:, 1:, None])[..., 0] - logits.logsumexp(-1)


def score_top(model: Any, sequence: Sequence[int], top: int) -> tuple[TokenScore, ...]:
    """Score one sequence as `score` does, with the `top` likeliest tokens at each position."""
    tokens = torch.tensor([list(sequence)], device=model.device)
    logprobs = model(input_ids=tokens, use_cache=False).logits[0, :-1].float().log_softmax(-1)
    own = logprobs.gather(-1, tokens[0, 1:, None])[:, 0].tolist()
    values, likeliest = logprobs.topk(top)
    best = [tuple(zip(*row, strict=True)) for row in zip(likeliest.tolist(), values.tolist(), strict=True)]
    return tuple(TokenScore(logprob, tokens) for logprob, tokens in zip(own, best, strict=True))
