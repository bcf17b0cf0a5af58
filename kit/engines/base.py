"""The engine protocol: token ids in, completions and log-probabilities out.

An engine knows no chat templates, tasks or HTTP. It starts with one set of base weights and can load adapters.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from kit.engines.upstream.settings import UpstreamSettings
from kit.errors import KitError
from kit.recipe import ComputeType, FloatType, VllmSection
from kit.task import AnswerSpec, Completion, Finish, FreeText, Message, TopTokens

FREE_TEXT = FreeText()
NO_ARGUMENTS = VllmSection()
MOST_TOP_LOGPROBS = 20
"""The most likely tokens that a request may ask for at each position."""


@dataclass(frozen=True)
class EngineConfig:
    """The settings that an engine starts with.

    `model` holds weights, configuration and tokenizer; `adapters` maps a name to a folder in peft's format, loaded at
    start; `max_length` is the context in tokens. Weights are rounded to `dtype`; the local engine computes in
    `compute`, vLLM in the dtype itself. `vllm` has further arguments for vLLM, whose messages go to the file
    `log`. After `silent_seconds` in which requests wait and nothing comes back, vLLM counts as silent.
    """

    model: Path
    dtype: FloatType = "bfloat16"
    max_length: int = 2048
    adapters: Mapping[str, Path] = field(default_factory=dict)
    max_rank: int = 16
    threads: int | None = None
    compute: ComputeType = "auto"
    vllm: VllmSection = NO_ARGUMENTS
    upstream: UpstreamSettings | None = None
    log: Path | None = None
    silent_seconds: float = 20.0


@dataclass(frozen=True)
class Sampling:
    """How tokens are chosen. Temperature 0 is greedy; `top_k` 0, `top_p` 1 and `min_p` 0 switch those filters off.

    Penalties lower the logits of tokens that were written before; `repetition_penalty` also counts the prompt's tokens.
    `logit_bias` adds a number to the logit of a token id. No stop id ends the answer before `min_tokens` tokens.
    `top_logprobs` is how many of the likeliest tokens to report at each position (at most `MOST_TOP_LOGPROBS`); None
    reports none. Log-probabilities are those before penalties, bias and filters.
    """

    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    stop_ids: tuple[int, ...] = ()
    min_p: float = 0.0
    min_tokens: int = 0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    logit_bias: tuple[tuple[int, float], ...] = ()
    top_logprobs: int | None = None


@dataclass(eq=False)
class Partial:
    """The tokens of a completion that is being written, for a caller that is cancelled; `begun`: the engine has it."""

    token_ids: Sequence[int] = ()
    begun: bool = False


@dataclass(frozen=True)
class Generation:
    """One request to an engine. `adapter` None means the weights that the engine started on.

    `messages` is the dialogue behind the ids, for an engine that renders for itself; empty for raw text. An engine
    fills `partial` while it writes, if there is one.
    """

    ids: tuple[int, ...]
    sampling: Sampling
    answer: AnswerSpec = FREE_TEXT
    adapter: str | None = None
    messages: tuple[Message, ...] = ()
    partial: Partial | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Delta:
    """A piece of a streamed completion; the last one carries `finish`, and `stopped_by` if a stop string ended it.

    `logprobs` and `top` are those of `token_ids`, as in a `Completion`.
    """

    text: str
    token_ids: tuple[int, ...] = ()
    finish: Finish | None = None
    logprobs: tuple[float, ...] = ()
    top: tuple[TopTokens, ...] = ()
    stopped_by: str | None = None


@dataclass(frozen=True)
class TokenScore:
    """The natural-log probability of a token, given those before it, and the likeliest tokens at its position."""

    logprob: float
    top: TopTokens


@dataclass(frozen=True)
class Capabilities:
    """Name, version and abilities of an engine; `seeds`: whether a request may have its own random seed.

    `arguments` are the settings that it was started with besides the seal's, as `name=value`. `proves`: whether its
    answers can be compared with the seal.
    """

    name: str
    version: str
    max_length: int
    adapters: bool
    seeds: bool = True
    arguments: tuple[str, ...] = ()
    proves: bool = True


class EngineSilent(KitError):
    """The engine runs, but requests wait and nothing comes back. It may answer again."""


class Engine(Protocol):
    """Generates and scores token sequences.

    `start` raises KitError with the reason if the engine cannot start. Completions never contain the stop token or
    the stop string. Closing a stream, or cancelling a `generate`, frees the engine's slot.
    """

    @property
    def capabilities(self) -> Capabilities:
        """Name, version and abilities of the engine."""
        ...

    async def start(self) -> None:
        """Load the weights and the adapters."""
        ...

    async def stop(self) -> None:
        """Free everything; calling it twice is harmless."""
        ...

    async def health(self) -> None:
        """Return when the engine can work; raise KitError with the reason when it cannot, EngineSilent if it hangs."""
        ...

    async def generate(self, request: Generation) -> Completion:
        """Return the whole completion, with one log-probability per token."""
        ...

    def stream(self, request: Generation) -> AsyncIterator[Delta]:
        """Yield the completion piece by piece."""
        ...

    async def score(self, ids: Sequence[int], adapter: str | None = None) -> tuple[float, ...]:
        """Return len(ids) - 1 natural-log probabilities: of each token given those before it, the first left out."""
        ...

    async def score_top(self, ids: Sequence[int], top: int, adapter: str | None = None) -> tuple[TokenScore, ...]:
        """Score as `score` does, with the `top` likeliest tokens (1 to `MOST_TOP_LOGPROBS`) at each position."""
        ...

    async def load(self, name: str, adapter: Path) -> None:
        """Make an adapter available under a name; raises KitError if it cannot be read or attached."""
        ...

    async def unload(self, name: str) -> None:
        """Forget an adapter."""
        ...
