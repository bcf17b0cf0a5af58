"""An engine that asks another server: by token ids, which can be proved, or by messages, which cannot."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from kit.engines.admission import admit, admit_score
from kit.engines.base import Capabilities, Delta, EngineConfig, Generation, TokenScore
from kit.engines.structured import grammar_of
from kit.engines.upstream.connection import Connection
from kit.engines.upstream.messages import ask_with_messages
from kit.engines.upstream.settings import UpstreamSettings
from kit.engines.writing import Writing
from kit.errors import InputError, KitError
from kit.task import Completion, TopTokens

_COMPLETIONS = "/v1/completions"
_MARK = "token_id:"
_VLLM_GRAMMARS = {"json": "json", "ebnf": "grammar"}


class UpstreamEngine:
    """An engine on another server, such as `vllm serve`.

    In the mode `tokens` the server must be vLLM: it gets token ids, and returns token ids with log-probabilities.
    In the mode `messages` it can be any server with OpenAI's chat route; it renders for itself and proves nothing.
    """

    def __init__(self, config: EngineConfig) -> None:
        if config.upstream is None:
            raise InputError("The engine 'upstream' needs a server.", "upstream.url", "Give its address: --url URL")
        self._config = config
        self._settings: UpstreamSettings = config.upstream
        self._connection: Connection | None = None
        self._model = ""
        self._version = "unknown"

    @property
    def capabilities(self) -> Capabilities:
        """Name, version and abilities of the engine."""
        proves = self._settings.mode == "tokens"
        arguments = (f"mode={self._settings.mode}", f"model={self._model}")
        return Capabilities("upstream", self._version, self._config.max_length, proves, True, arguments, proves)

    async def start(self) -> None:
        """Find the model on the server. Raises KitError if the server does not answer, InputError for a wrong model."""
        self._tokenizer = Tokenizer.from_file(str(self._config.model / "tokenizer.json"))
        self._connection = Connection(self._settings)
        try:
            model = await self._connection.choose()
        except BaseException:
            await self.stop()
            raise
        self._model = str(model["id"])
        self._version = str(model.get("owned_by", "unknown"))
        longest = model.get("max_model_len")
        if isinstance(longest, int) and longest < self._config.max_length:
            await self.stop()
            what = f"The server's context of {longest} tokens is shorter than the {self._config.max_length} wanted."
            raise InputError(what, self._settings.url, "Start it with a longer context, or set max_length.")

    async def stop(self) -> None:
        """Close the connections; calling it twice is harmless."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def health(self) -> None:
        """Return when the server answers. Raises KitError when it does not."""
        await self._running().models()

    async def generate(self, request: Generation) -> Completion:
        """Return the whole completion."""
        async with aclosing(self._write(request)) as steps:
            *_, last = [writing async for writing in steps]
        completion: Completion = last.completion()
        return completion

    async def stream(self, request: Generation) -> AsyncIterator[Delta]:
        """Yield the completion piece by piece; closing the iterator closes the server's stream."""
        async with aclosing(self._write(request)) as steps:
            async for writing in steps:
                if delta := writing.new_text():
                    yield delta

    async def _write(self, request: Generation) -> AsyncGenerator[Any]:
        if self._settings.mode == "messages":
            async for written in ask_with_messages(self._running(), self._model, request):
                yield written
            return
        request = admit(request, self._config.max_length, self._names(request.adapter))
        writing = Writing(self._tokenizer, request)
        body = _completion_body(self._model, request) | {"stream": True}
        async with aclosing(self._running().events(_COMPLETIONS, body)) as events:
            async for event in events:
                for choice in event.get("choices", ()):
                    _add(writing, choice)
                yield writing
                if writing.finish is not None:
                    return
        if writing.finish is None:
            writing.finish = "abort"
            yield writing

    async def score(self, ids: Sequence[int], adapter: str | None = None) -> tuple[float, ...]:
        """Return the log-probability of every token but the first, each given those before it."""
        return tuple(score.logprob for score in await self.score_top(ids, 1, adapter))

    async def score_top(self, ids: Sequence[int], top: int, adapter: str | None = None) -> tuple[TokenScore, ...]:
        """Score as `score` does, with the `top` likeliest tokens at each position."""
        if self._settings.mode == "messages":
            raise KitError("A server that gets messages returns no log-probabilities of given tokens.")
        admit_score(ids, self._config.max_length, adapter, self._names(adapter))
        body = {"model": self._model, "prompt": list(ids), "max_tokens": 1, "temperature": 0.0, "prompt_logprobs": top}
        answer = await self._running().post(_COMPLETIONS, body | {"add_special_tokens": False})
        rows = answer["choices"][0].get("prompt_logprobs") or []
        if len(rows) != len(ids):
            what = "The server behind this one returns no log-probabilities of a prompt, so nothing can be proved."
            raise KitError(what, self._settings.url, "Put vLLM's own server behind it, or set upstream.mode=messages.")
        return tuple(_score(row, token, top) for row, token in zip(rows[1:], ids[1:], strict=True))

    async def load(self, name: str, adapter: Path) -> None:  # noqa: ARG002
        """Refuse: the server's operator loads its adapters."""
        raise KitError(f"The adapter '{name}' cannot be loaded into another server.", self._settings.url)

    async def unload(self, name: str) -> None:
        """Refuse: the server's operator unloads its adapters."""
        raise KitError(f"The adapter '{name}' cannot be unloaded from another server.", self._settings.url)

    def _names(self, adapter: str | None) -> tuple[str, ...]:
        """Return the adapters that exist: the server's model is the tuned one, whatever its form."""
        return () if adapter is None else (adapter,)

    def _running(self) -> Connection:
        if self._connection is None:
            raise KitError("The engine is not running.", next="Start it first.")
        return self._connection


def _completion_body(model: str, request: Generation) -> dict[str, Any]:
    """Return the request in vLLM's dialect: ids in, ids out, one log-probability for each."""
    sampling, grammar = request.sampling, grammar_of(request.answer)
    body = {
        "model": model,
        "prompt": list(request.ids),
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k or -1,
        "min_p": sampling.min_p,
        "min_tokens": sampling.min_tokens,
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": sampling.frequency_penalty,
        "repetition_penalty": sampling.repetition_penalty,
        "seed": sampling.seed,
        "logit_bias": {str(token): bias for token, bias in sampling.logit_bias} or None,
        "stop_token_ids": list(sampling.stop_ids),
        "ignore_eos": True,
        "logprobs": max(sampling.top_logprobs or 0, 1),
        "return_token_ids": True,
        "return_tokens_as_token_ids": True,
        "add_special_tokens": False,
        "skip_special_tokens": False,
        "structured_outputs": grammar and {_VLLM_GRAMMARS[grammar.kind]: grammar.source},
    }
    return {name: value for name, value in body.items() if value is not None}


def _add(writing: Writing, choice: Mapping[str, Any]) -> None:
    """Add the new tokens of an event; if the server ended the answer, end the completion."""
    ids = choice.get("token_ids") or ()
    logprobs = choice.get("logprobs") or {}
    values = logprobs.get("token_logprobs") or ()
    if len(values) != len(ids) or (choice.get("text") and not ids):
        what = "The server behind this one returns no token ids with log-probabilities, so nothing can be proved."
        raise KitError(what, next="Put vLLM's own server behind it, or set upstream.mode=messages.")
    tops = logprobs.get("top_logprobs") or [None] * len(ids)
    for token, logprob, top in zip(ids, values, tops, strict=False):
        writing.add(int(token), float(logprob), _top(top, writing.top_logprobs))
        if writing.finish is not None:
            return
    if (reason := choice.get("finish_reason")) is not None:
        writing.finish = reason if reason in ("stop", "length") else "abort"


def _top(named: Mapping[str, float] | None, wanted: int) -> TopTokens:
    pairs = [(int(name.removeprefix(_MARK)), value) for name, value in (named or {}).items() if name.startswith(_MARK)]
    return tuple(sorted(pairs, key=lambda pair: (-pair[1], pair[0]))[:wanted])


def _score(row: Mapping[str, Mapping[str, Any]], token: int, top: int) -> TokenScore:
    pairs = sorted(((int(id), float(entry["logprob"])) for id, entry in row.items()), key=lambda pair: -pair[1])
    return TokenScore(float(row[str(token)]["logprob"]), tuple(pairs[:top]))
