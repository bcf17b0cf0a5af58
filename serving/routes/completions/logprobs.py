"""Log-probabilities of tokens as text completions report them: four lists of equal length."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from typing import Any

from kit.engines.base import Delta, TokenScore
from kit.engines.token_text import TokenBytes
from kit.task import Completion, TopTokens

_LEAST = -9999.0  # JSON has no minus infinity


class Offsets:
    """The place of each token in the text, in characters; a character counts where its last byte is."""

    def __init__(self, names: TokenBytes) -> None:
        self.names = names
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._characters = 0

    def next(self, token: int) -> int:
        """Return where a token starts, and move behind it."""
        start = self._characters
        self._characters += len(self._decoder.decode(self.names.of(token)))
        return start


def legacy_logprobs(
    offsets: Offsets, echoed: Sequence[int], scores: Sequence[TokenScore], written: Completion | Delta
) -> dict[str, Any]:
    """Return the lists for the echoed prompt, whose first token has no probability, and for what was written."""
    tokens = [*echoed, *written.token_ids]
    first: list[float | None] = [None] if echoed else []
    logprobs = [*first, *(score.logprob for score in scores), *written.logprobs]
    no_top: list[TopTokens | None] = [None] if echoed else []
    tops = [*no_top, *(score.top for score in scores), *(written.top or ((),) * len(written.token_ids))]
    return {
        "tokens": [offsets.names.name(token) for token in tokens],
        "token_logprobs": [None if value is None else max(value, _LEAST) for value in logprobs],
        "top_logprobs": [
            None if top is None else _named(offsets.names, token, value, top)
            for token, value, top in zip(tokens, logprobs, tops, strict=True)
        ],
        "text_offset": [offsets.next(token) for token in tokens],
    }


def _named(names: TokenBytes, token: int, logprob: float | None, top: TopTokens) -> dict[str, float]:
    """Return the likeliest tokens by name, and the token itself, which may not be one of them."""
    found = {names.name(other): max(value, _LEAST) for other, value in reversed(top)}
    return found if logprob is None else {names.name(token): max(logprob, _LEAST)} | found
