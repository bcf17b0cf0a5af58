"""A completion while it is being written: token ids in, text out. All engines share it, so that their text is equal.

Text is decoded after the prompt and never splits a character. Special tokens have no text. The completion contains
neither the stop token nor the stop string, and no token that only belongs to the stop string.
"""

from __future__ import annotations

from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream

from kit.engines.base import Delta, Generation
from kit.task import Completion, Finish, TopTokens


class Writing:
    """One unfinished completion; `finish` is None until it is done."""

    def __init__(self, tokenizer: Tokenizer, request: Generation) -> None:
        self.finish: Finish | None = None
        self.token_ids: list[int] = []
        if request.partial is not None:
            request.partial.token_ids, request.partial.begun = self.token_ids, True
        self._logprobs: list[float] = []
        self._top: list[TopTokens] = []
        self._stopped_by: str | None = None
        self._text = ""
        self._text_ends: list[int] = []  # length of the text after each token
        self._sent_chars = self._sent_ids = 0
        self._sampling = request.sampling
        self._hold = max((len(stop) for stop in request.sampling.stop), default=1) - 1
        self._tokenizer = tokenizer
        self._stream = DecodeStream(ids=list(request.ids), skip_special_tokens=True)

    def add(self, token: int, logprob: float, top: TopTokens = ()) -> None:
        """Add the next token; afterwards `finish` says whether it was the last. `top`: the likeliest tokens there."""
        if token in self._sampling.stop_ids:
            self.finish = "stop"
            return
        self.token_ids.append(token)
        self._logprobs.append(logprob)
        if self._sampling.top_logprobs is not None:
            self._top.append(top)
        piece = self._decode(token)
        self._text += piece
        self._text_ends.append(len(self._text))
        if len(self.token_ids) >= self._sampling.max_tokens:
            self.finish = "length"
        if len(self.token_ids) >= self._sampling.min_tokens:
            self._cut_at_stop_string(len(piece))

    @property
    def top_logprobs(self) -> int:
        """How many of the likeliest tokens the request wants at each position."""
        return self._sampling.top_logprobs or 0

    def new_text(self) -> Delta | None:
        """Return the new text that no stop string can remove any more; None if there is none."""
        chars = len(self._text) if self.finish else max(self._sent_chars, len(self._text) - self._hold)
        ids = self._sent_ids
        while ids < len(self.token_ids) and self._text_ends[ids] <= chars:
            ids += 1
        if chars == self._sent_chars and self.finish is None:
            return None
        new = slice(self._sent_ids, ids)
        delta = Delta(
            self._text[self._sent_chars : chars],
            tuple(self.token_ids[new]),
            self.finish,
            tuple(self._logprobs[new]),
            tuple(self._top[new]),
            self._stopped_by,
        )
        self._sent_chars, self._sent_ids = chars, ids
        return delta

    def completion(self) -> Completion:
        """Return the finished completion; an unfinished one counts as aborted."""
        return Completion(
            self._text,
            tuple(self.token_ids),
            tuple(self._logprobs),
            self.finish or "abort",
            tuple(self._top),
            self._stopped_by,
        )

    def _decode(self, token: int) -> str:
        try:
            return self._stream.step(self._tokenizer, token) or ""
        except Exception:  # tokenizers raises a bare Exception if bytes that are not UTF-8 break its prefix
            self._stream = DecodeStream(skip_special_tokens=True)
            return self._stream.step(self._tokenizer, token) or ""

    def _cut_at_stop_string(self, fresh: int) -> None:
        begin = max(0, len(self._text) - fresh - self._hold)
        found = [(at, stop) for stop in self._sampling.stop if (at := self._text.find(stop, begin)) >= 0]
        if not found:
            return
        cut, self._stopped_by = min(found)
        kept = next((count for count, end in enumerate([0, *self._text_ends]) if end >= cut))
        self._text = self._text[:cut]
        for items in (self.token_ids, self._logprobs, self._top, self._text_ends):
            del items[kept:]
        self.finish = "stop"
