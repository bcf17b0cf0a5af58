"""The decoding loop: a batch of prompts, left-padded, one token per row and step; rows leave and join between steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from transformers import DynamicCache
from xgrammar import GrammarMatcher

from kit.engines.base import Sampling
from kit.engines.local.caching import can_join, join_caches, join_masks
from kit.engines.local.grammar import mask
from kit.engines.local.sampling import adjust, adjusts, sample, top_tokens
from kit.engines.local.worker import Generating
from kit.engines.writing import Writing
from kit.errors import KitError
from kit.task import Completion, TopTokens


class Row:
    """A generation in a batch."""

    def __init__(self, job: Generating, writing: Writing, matcher: GrammarMatcher | None) -> None:
        self.job = job
        self.matcher = matcher
        self._writing = writing
        self._random = torch.Generator()
        if (seed := self.sampling.seed) is not None:
            self._random.manual_seed(seed)
        else:
            self._random.seed()

    @property
    def sampling(self) -> Sampling:
        """The sampling settings of this row."""
        return self.job.request.sampling

    def choose(self, logits: torch.Tensor) -> int:
        """Choose a token: the likeliest at temperature 0, else drawn; logits are [vocabulary]."""
        adjusted = adjust(logits.cpu(), self.sampling, self.job.request.ids, self._writing.token_ids)
        if self.sampling.temperature == 0:
            return int(adjusted.argmax())
        return sample(adjusted, self.sampling, self._random)

    @property
    def plain(self) -> bool:
        """Whether the next token is simply the likeliest one."""
        return self.sampling.temperature == 0 and not adjusts(self.sampling)

    def take(self, token: int, logprob: float, top: TopTokens) -> None:
        """Add a token, and send the new text to the stream."""
        if self.matcher is not None:
            self.matcher.accept_token(token)
        self._writing.add(token, logprob, top)
        if self.job.on_delta and (delta := self._writing.new_text()):
            self.job.on_delta(delta)

    @property
    def room(self) -> int:
        """Most tokens that the row may still get."""
        return self.sampling.max_tokens - len(self._writing.token_ids)

    @property
    def wanted(self) -> bool:
        """Whether the row is unfinished and its caller still waits."""
        return self._writing.finish is None and not self.job.future.done()

    def completion(self) -> Completion:
        """The finished completion."""
        return self._writing.completion()


Joining = Callable[[Sequence[Row], int], list[Row]]
"""Returns the rows that join a running batch of the given rows, whose cache holds the given number of positions."""


def nobody_joins(_rows: Sequence[Row], _width: int) -> list[Row]:
    """Return no row: the batch ends with the rows that it began with."""
    return []


def decode(model: Any, rows: list[Row], joining: Joining = nobody_joins) -> Iterator[tuple[Generating, Completion]]:
    """Decode all rows, and those that join them at a later step; yield each when it is done.

    A row whose caller has left is dropped.
    """
    batch = Batch(model)
    logits = batch.begin(rows) if rows else None
    while logits is not None:
        mask(logits, [row.matcher for row in batch.rows])
        chosen, logprobs = _choose(logits, batch.rows)
        tops = _likeliest(logits, batch.rows)
        for row, token, logprob, top in zip(batch.rows, chosen, logprobs, tops, strict=True):
            row.take(token, logprob, top)
        yield from ((row.job, row.completion()) for row in batch.rows if not row.wanted)
        logits = batch.step(chosen, joining)


class Batch:
    """Rows that are decoded together, with their attention mask [rows, positions] and their cache."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self.rows: list[Row] = []

    def begin(self, rows: list[Row]) -> torch.Tensor:
        """Compute the prompts of these rows; return the logits of their first tokens, [rows, vocabulary]."""
        self.rows = rows
        tokens, self._attended = left_padded([row.job.request.ids for row in rows], self._model.device)
        self._cache = DynamicCache(config=self._model.config)
        return _next_logits(self._model, tokens, self._attended, self._cache)

    def step(self, chosen: list[int], joining: Joining) -> torch.Tensor | None:
        """Drop the rows that are done, and return the logits after the chosen tokens; None if no row is left."""
        kept = [index for index, row in enumerate(self.rows) if row.wanted]
        if not kept:
            return None
        if len(kept) < len(self.rows):
            self.rows = [self.rows[index] for index in kept]
            self._cache.batch_select_indices(torch.tensor(kept, device=self._model.device))
            self._attended = self._attended[kept]
        tokens = torch.tensor([[chosen[index]] for index in kept], device=self._model.device)
        self._attended = torch.nn.functional.pad(self._attended, (0, 1), value=1)
        logits = _next_logits(self._model, tokens, self._attended, self._cache)
        new = joining(self.rows, self._attended.shape[1]) if can_join(self._cache) else []
        return self._join(logits, new) if new else logits

    def _join(self, logits: torch.Tensor, rows: list[Row]) -> torch.Tensor:
        """Compute the prompts of new rows and add them; return the logits of all."""
        new = Batch(self._model)
        added = new.begin(rows)
        join_caches(self._cache, new._cache)
        self._attended = join_masks(self._attended, new._attended)
        self.rows = [*self.rows, *rows]
        return torch.cat([logits, added])


def left_padded(prompts: Sequence[Sequence[int]], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return token ids and attention mask, both [rows, longest]; the padding is masked, on the left."""
    longest = max(len(prompt) for prompt in prompts)
    tokens = [[0] * (longest - len(prompt)) + list(prompt) for prompt in prompts]
    attended = [[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts]
    return torch.tensor(tokens, device=device), torch.tensor(attended, device=device)


def _next_logits(model: Any, tokens: torch.Tensor, attended: torch.Tensor, cache: DynamicCache) -> torch.Tensor:
    """Return float32 logits of the next token, [rows, vocabulary]; the cache grows by `tokens`."""
    positions = (attended.cumsum(-1) - 1).clamp(min=0)[:, -tokens.shape[1] :]
    output = model(
        input_ids=tokens,
        attention_mask=attended,
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    logits: torch.Tensor = output.logits[:, -1].float()
    return logits


def _choose(logits: torch.Tensor, rows: Sequence[Row]) -> tuple[list[int], list[float]]:
    """Return each row's next token and its log-probability among the tokens that its grammar allows."""
    total = logits.logsumexp(-1)
    if not bool(total.isfinite().all()):
        raise KitError("The model computes values that are not finite.", next="Check its weights and its dtype.")
    chosen = logits.argmax(-1)
    for index, row in enumerate(rows):
        if not row.plain:
            chosen[index] = row.choose(logits[index])
    logprobs = logits.gather(-1, chosen[:, None])[:, 0] - total
    return chosen.tolist(), logprobs.tolist()


def _likeliest(logits: torch.Tensor, rows: Sequence[Row]) -> list[TopTokens]:
    """Return each row's likeliest next tokens, as many as its request wants."""
    wanted = [row.sampling.top_logprobs or 0 for row in rows]
    return [top_tokens(logits[index], count) if count else () for index, count in enumerate(wanted)]
