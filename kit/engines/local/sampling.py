"""From logits to a token: penalties, bias and filters as vLLM defines them, and the likeliest tokens."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from kit.engines.base import Sampling
from kit.task import TopTokens


def adjusts(sampling: Sampling) -> bool:
    """Whether settings change the logits themselves."""
    penalties = sampling.presence_penalty or sampling.frequency_penalty or sampling.repetition_penalty != 1
    return bool(penalties or sampling.logit_bias or sampling.min_tokens)


def adjust(logits: torch.Tensor, sampling: Sampling, prompt: Sequence[int], written: Sequence[int]) -> torch.Tensor:
    """Return the logits, [vocabulary], with the bias, without early stop tokens, and with the penalties."""
    if not adjusts(sampling):
        return logits
    logits = logits.clone()
    for token, bias in sampling.logit_bias:
        logits[token] += bias
    if len(written) < sampling.min_tokens and sampling.stop_ids:
        logits[list(sampling.stop_ids)] = -torch.inf
    if sampling.repetition_penalty != 1:
        seen = torch.tensor(sorted({*prompt, *written}))
        values = logits[seen]
        penalty = sampling.repetition_penalty
        logits[seen] = torch.where(values > 0, values / penalty, values * penalty)
    if written and (sampling.presence_penalty or sampling.frequency_penalty):
        tokens, counts = torch.unique(torch.tensor(list(written)), return_counts=True)
        logits[tokens] -= sampling.presence_penalty + sampling.frequency_penalty * counts
    return logits


def sample(logits: torch.Tensor, sampling: Sampling, random: torch.Generator) -> int:
    """Draw from softmax(logits / temperature), limited to the `top_k` likeliest, to `top_p` and by `min_p`.

    `min_p` drops the tokens that are less likely than this share of the likeliest one.
    """
    count = sampling.top_k or logits.shape[-1]
    values, tokens = (logits / sampling.temperature).topk(min(count, logits.shape[-1]))
    if sampling.min_p:
        values = values.masked_fill(values < values[0] + math.log(sampling.min_p), -torch.inf)
    chances = values.softmax(-1)
    chances[chances.cumsum(-1) - chances >= sampling.top_p] = 0
    return int(tokens[torch.multinomial(chances, 1, generator=random)])


def top_tokens(logits: torch.Tensor, count: int) -> TopTokens:
    """Return the `count` likeliest tokens with their natural-log probabilities; logits are [vocabulary]."""
    values, tokens = logits.log_softmax(-1).topk(count)
    return tuple(zip(tokens.tolist(), values.tolist(), strict=True))
