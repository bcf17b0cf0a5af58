"""The engine itself: asyncio on one side, the worker's thread and the model on the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer

from kit.chat import Renderer
from kit.engines.admission import admit, admit_adapter, admit_score
from kit.engines.base import Capabilities, Delta, EngineConfig, Generation, TokenScore
from kit.engines.grammar_trial import GrammarTrials
from kit.engines.local.attention import folded_attention
from kit.engines.local.decoding import Joining, Row, decode, nobody_joins
from kit.engines.local.grammar import Grammars
from kit.engines.local.loading import Adapters, Live, load_model
from kit.engines.local.scoring import score, score_top
from kit.engines.local.worker import Generating, Job, Scoring, Worker, settle
from kit.engines.structured import grammar_of
from kit.engines.writing import Writing
from kit.errors import InputError, KitError
from kit.task import Completion


class LocalEngine:
    """An engine on transformers, on the CPU or on one CUDA device.

    Requests are decoded as one batch; those that arrive later join it between two tokens. A log-probability is
    natural, of the chosen token, at temperature 1 and before top-k and top-p, among the tokens that the grammar
    allows there (vLLM's `raw_logprobs` are taken after its grammar mask too); without a grammar, that is the whole
    vocabulary.
    Equal seeds give equal answers on this engine, not across engines.
    """

    def __init__(self, config: EngineConfig) -> None:
        self._config = config
        self._models: Adapters | Live | None = None
        self._grammars: Grammars | None = None
        self._worker: Worker | None = None
        self._trials = GrammarTrials(config.model)

    @classmethod
    def from_model(cls, model: Any, renderer: Renderer, *, max_length: int = 2048) -> LocalEngine:
        """Return an engine on a loaded module, such as one in training, with its current adapters.

        The module is in evaluation mode only during a batch, and back in its own mode before an answer is returned.
        Nothing else may use it during a batch.
        """
        engine = cls(EngineConfig(renderer.folder, max_length=max_length))
        engine._models = Live(model)
        return engine

    @property
    def capabilities(self) -> Capabilities:
        """Name, version and abilities of the engine."""
        adapters = not isinstance(self._models, Live)
        return Capabilities("local", transformers.__version__, self._config.max_length, adapters)

    async def start(self) -> None:
        """Load the weights and the adapters.

        Raises InputError if they cannot be read.
        """
        worker = Worker(self._work)
        try:
            await asyncio.wrap_future(worker.call(self._load_all))
        except BaseException:
            worker.stop()
            raise
        self._worker = worker

    def _load_all(self) -> None:
        if self._config.threads is not None:
            torch.set_num_threads(self._config.threads)
        if self._models is None:
            adapters = Adapters(load_model(self._config), self._config)
            for name, folder in self._config.adapters.items():
                adapters.load(name, folder)
            self._models = adapters

    async def stop(self) -> None:
        """Abort the running requests, and free the weights; calling it twice is harmless."""
        worker, self._worker = self._worker, None
        await self._trials.stop()
        if worker is not None:
            await asyncio.to_thread(worker.stop)
        if isinstance(self._models, Adapters):
            self._models = None
        self._grammars = None

    async def health(self) -> None:
        """Return when the engine can work.

        Raises KitError when it cannot.
        """
        if self._worker is None or not self._worker.alive:
            raise KitError("The local engine is not running.")

    async def generate(self, request: Generation) -> Completion:
        """Return the whole completion, with one log-probability per token."""
        worker, models = self._running()
        request = admit(request, self._config.max_length, models.names)
        await self._trials.admit(request.answer)
        job = Generating(request)
        worker.submit(job)
        return await asyncio.wrap_future(job.future)

    async def stream(self, request: Generation) -> AsyncIterator[Delta]:
        """Yield the completion piece by piece; closing the iterator frees the row."""
        worker, models = self._running()
        request = admit(request, self._config.max_length, models.names)
        await self._trials.admit(request.answer)
        loop = asyncio.get_running_loop()
        deltas: asyncio.Queue[Delta | None] = asyncio.Queue()
        job = Generating(request, on_delta=lambda delta: _send(loop, deltas, delta))
        job.future.add_done_callback(lambda _: _send(loop, deltas, None))
        worker.submit(job)
        try:
            while (delta := await deltas.get()) is not None:
                yield delta
            job.future.result()
        finally:
            job.future.cancel()

    async def score(self, ids: Sequence[int], adapter: str | None = None) -> tuple[float, ...]:
        """Return the log-probability of every token but the first, each given those before it."""
        worker, models = self._running()
        admit_score(ids, self._config.max_length, adapter, models.names)
        job = Scoring(tuple(ids), adapter)
        worker.submit(job)
        return await asyncio.wrap_future(job.future)

    async def score_top(self, ids: Sequence[int], top: int, adapter: str | None = None) -> tuple[TokenScore, ...]:
        """Score as `score` does, with the `top` likeliest tokens at each position."""
        worker, models = self._running()
        admit_score(ids, self._config.max_length, adapter, models.names)
        return await asyncio.wrap_future(worker.call(partial(self._score_top, tuple(ids), top, adapter)))

    async def load(self, name: str, adapter: Path) -> None:
        """Attach an adapter under a name, between batches.

        Raises InputError if it cannot be read or does not fit, KitError if this engine takes none.
        """
        worker, models = self._running()
        if isinstance(models, Live):
            raise KitError("An engine on a module that is in training takes no adapters.")
        await asyncio.wrap_future(worker.call(partial(models.load, name, adapter)))

    async def unload(self, name: str) -> None:
        """Forget an adapter, between batches.

        Raises KitError if it is not loaded.
        """
        worker, models = self._running()
        admit_adapter(name, models.names)
        if isinstance(models, Adapters):
            await asyncio.wrap_future(worker.call(partial(models.unload, name)))

    def _running(self) -> tuple[Worker, Adapters | Live]:
        if self._worker is None or self._models is None:
            raise KitError("The local engine is not running.", next="Start it first.")
        return self._worker, self._models

    # --- on the worker's thread ---------------------------------------------------------------------------------

    def _work(self, batch: list[Generating] | list[Scoring]) -> None:
        late: list[tuple[Job, Any]] = []  # answers that wait until a live module is back in its own mode
        with self._active_model(batch[0].adapter) as model:
            for job, result in self._results(model, batch):
                if isinstance(self._models, Live):
                    late.append((job, result))
                else:
                    settle(job, result)
        for job, result in late:
            settle(job, result)

    def _score_top(self, ids: tuple[int, ...], top: int, adapter: str | None) -> tuple[TokenScore, ...]:
        with self._active_model(adapter) as model:
            return score_top(model, ids, top)

    def _results(self, model: Any, batch: list[Any]) -> Iterator[tuple[Job, Any]]:
        """Yield each job with its result, as soon as it is ready."""
        if isinstance(batch[0], Scoring):
            yield from zip(batch, score(model, [job.ids for job in batch]), strict=True)
            return
        refused: list[tuple[Job, InputError]] = []
        rows = self._rows(batch, model, refused)
        yield from refused
        yield from decode(model, rows, nobody_joins if isinstance(self._models, Live) else self._joining(model))

    def _joining(self, model: Any) -> Joining:
        """Return what lets requests for the same adapter into a running batch."""

        def joining(running: Sequence[Row], width: int) -> list[Row]:
            worker, refused = self._worker, list[tuple[Job, InputError]]()
            if worker is None:
                return []
            room = max(row.room for row in running)
            rows = self._rows(worker.join(running[0].job.adapter, len(running), width, room), model, refused)
            for job, error in refused:
                settle(job, error)
            return rows

        return joining

    def _rows(self, jobs: Sequence[Generating], model: Any, refused: list[tuple[Job, InputError]]) -> list[Row]:
        """Return a row for each job whose caller still waits; those that cannot be decoded are added to `refused`."""
        rows = []
        for job in jobs:
            if job.future.done():
                continue
            try:
                rows.append(Row(job, Writing(self._tokenizer, job.request), self._matcher(job.request, model)))
            except InputError as error:
                refused.append((job, error))
        return rows

    def _matcher(self, request: Generation, model: Any) -> Any | None:
        grammar = grammar_of(request.answer)
        if grammar is None:
            return None
        if self._grammars is None:
            self._grammars = Grammars(self._config.model, model.config.get_text_config().vocab_size)
        return self._grammars.matcher(grammar, request.sampling.stop_ids)

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        return Tokenizer.from_file(str(self._config.model / "tokenizer.json"))

    @contextmanager
    def _active_model(self, adapter: str | None) -> Iterator[Any]:
        """Yield the model ready to run."""
        assert self._models is not None
        with torch.inference_mode(), self._models.active(adapter) as model, folded_attention(model):
            try:
                yield model
            except torch.OutOfMemoryError as error:
                advice = "Lower serve.max_length, or free the device."
                raise KitError("The device ran out of memory.", next=advice) from error


def _send(loop: asyncio.AbstractEventLoop, deltas: asyncio.Queue[Delta | None], delta: Delta | None) -> None:
    """Put a delta in a queue on another thread's loop; do nothing if the loop is closed."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(deltas.put_nowait, delta)
