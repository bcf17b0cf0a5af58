"""Log-probabilities of tokens as chat completions report them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kit.engines.base import Delta
from kit.engines.token_text import TokenBytes, token_bytes
from kit.task import Completion

_LEAST = -9999.0  # JSON has no minus infinity


def content_logprobs(folder: Path, written: Completion | Delta) -> dict[str, Any]:
    """Return the entry of each token of a completion, or of a piece of one. `folder` has the model's tokenizer."""
    names = token_bytes(folder)
    top = written.top or ((),) * len(written.token_ids)
    return {
        "content": [
            {
                **_token(names, token, logprob),
                "top_logprobs": [_token(names, other, value) for other, value in likeliest],
            }
            for token, logprob, likeliest in zip(written.token_ids, written.logprobs, top, strict=True)
        ],
        "refusal": None,
    }


def _token(names: TokenBytes, token: int, logprob: float) -> dict[str, Any]:
    spelled = names.of(token)
    return {"token": spelled.decode("utf-8", "replace"), "logprob": max(logprob, _LEAST), "bytes": list(spelled)}
