"""vLLM in this process: its engine behind our protocol, without its servers.

vLLM is imported when an engine starts, not before. It works in child processes that are spawned, and that do not import
the user's script. The user's own VLLM_* variables win.
"""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing, suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from tokenizers import Tokenizer

from kit.adapters.format import adapted, check_adapter
from kit.engines.admission import admit, admit_adapter, admit_score, check_model
from kit.engines.base import Capabilities, Delta, EngineConfig, EngineSilent, Generation, Sampling, TokenScore
from kit.engines.grammar_trial import GrammarTrials
from kit.engines.pulse import Pulse
from kit.engines.structured import compiler_reason, grammar_of
from kit.engines.vllm.arguments import check_arguments
from kit.engines.vllm.environment import advice_on, block_sigint, replace_main, starting_environment
from kit.engines.vllm.launching import engine_arguments, kill_engines, lora_arguments, shut_down, takes_seeds
from kit.engines.vllm.limits import vllm_version
from kit.engines.writing import Writing
from kit.errors import InputError, KitError
from kit.system.daemon import run_in_daemon_thread
from kit.task import Completion, TopTokens

if TYPE_CHECKING:
    from vllm import SamplingParams
    from vllm.logprobs import Logprob
    from vllm.lora.request import LoRARequest
    from vllm.outputs import RequestOutput
    from vllm.v1.engine.async_llm import AsyncLLM

_QUIET_SECONDS = 5.0
_DIED = "vLLM's engine process has ended."
_LAUNCHING = threading.Lock()  # a launch changes the environment of the whole process
_GRAMMAR_FIELDS = {"json": "json", "ebnf": "grammar"}  # vLLM's names for the kinds of grammar


class VllmEngine:
    """An engine on vLLM's own scheduler and kernels.

    An engine takes adapters only if it starts with at least one; without any it starts faster. Adapters that are loaded
    later must adapt the same modules. Do not change the folder of a loaded adapter: vLLM may read it again. Log-
    probabilities are vLLM's `raw_logprobs`: natural, at temperature 1, before top-k and top-p, after the grammar's
    mask.
    """

    def __init__(self, config: EngineConfig) -> None:
        self._config = config
        self._engine: AsyncLLM | None = None
        self._adapters: dict[str, LoRARequest] = {}
        self._slots = len(config.adapters) + 1 if config.adapters else 0  # one more than the engine starts with
        self._adaptable: frozenset[str] = frozenset()
        self._numbers = count(1)
        self._seeds = True
        self._pulse = Pulse()
        self._asking: asyncio.Task[None] | None = None
        self._abandoned = False
        self._trials = GrammarTrials(config.model)

    @property
    def capabilities(self) -> Capabilities:
        """Name, version and abilities of the engine; `seeds` is known only after the start."""
        arguments = tuple(f"{name}={value}" for name, value in sorted(self._config.vllm.arguments().items()))
        version = vllm_version() or "unknown"
        return Capabilities("vllm", version, self._config.max_length, self._slots > 0, self._seeds, arguments)

    async def start(self) -> None:
        """Start the child processes, and load the weights and the adapters.

        Raises InputError if they cannot be read, KitError if vLLM does not start.
        """
        check_arguments(self._config.vllm.extra)
        check_model(self._config)
        for name, folder in self._config.adapters.items():
            check_adapter(name, folder, self._config.model, self._config.max_rank)
            self._adaptable |= adapted(folder)
        self._tokenizer = Tokenizer.from_file(str(self._config.model / "tokenizer.json"))
        self._abandoned, before = False, set(multiprocessing.active_children())
        try:
            await run_in_daemon_thread(self._launch)
        except asyncio.CancelledError:
            self._abandoned = True
            kill_engines(before)
            raise
        except InputError:
            raise
        except Exception as error:
            what = f"vLLM did not start: {str(error).rstrip('.')}."
            raise KitError(what, str(self._config.model), advice_on(error, self._config.log)) from error
        try:
            for name, folder in self._config.adapters.items():
                await self.load(name, folder)
        except BaseException:
            await self.stop()
            raise
        self._asking = asyncio.create_task(self._keep_asking())

    async def _keep_asking(self) -> None:
        """Ask for a token whenever it is quiet: an engine that is never asked cannot be seen to be silent."""
        while True:
            await asyncio.sleep(_QUIET_SECONDS)
            if self._pulse.quiet < _QUIET_SECONDS:
                continue
            params = _sampling_params(Generation((0,), Sampling(max_tokens=1)), in_pieces=False)
            with suppress(KitError):  # `health` says what is wrong
                async with aclosing(self._outputs((0,), params, None)) as outputs:
                    async for _ in outputs:
                        pass

    async def stop(self) -> None:
        """End the child processes; calling it twice is harmless."""
        engine, self._engine = self._engine, None
        if self._asking is not None:
            self._asking.cancel()
        self._adapters.clear()
        await self._trials.stop()
        if engine is not None:
            await asyncio.to_thread(shut_down, engine)
            del engine
            gc.collect()  # the engine is in a reference cycle, and logs errors if it outlives the interpreter

    def _launch(self) -> None:
        """Import vLLM and start its engine; takes tens of seconds. An abandoned launch starts no process any more."""
        log = self._config.log
        with _LAUNCHING, starting_environment(self._config.threads, log), block_sigint(), replace_main():
            from vllm.usage.usage_lib import UsageContext
            from vllm.v1.engine.async_llm import AsyncLLM

            if self._abandoned:
                return
            lora = lora_arguments(self._config.max_rank, self._slots, self._adaptable) if self._slots else {}
            arguments = engine_arguments(self._config, lora)
            self._engine = AsyncLLM.from_engine_args(arguments, usage_context=UsageContext.OPENAI_API_SERVER)
            self._seeds = takes_seeds(self._engine.vllm_config.scheduler_config.enable_chunked_prefill)

    async def health(self) -> None:
        """Return when the engine can work.

        Raises KitError when it cannot, EngineSilent when requests wait and nothing comes back.
        """
        engine = self._running()
        try:
            await engine.check_health()
        except Exception as error:
            raise KitError(_DIED) from error
        if (silence := self._pulse.silence) > self._config.silent_seconds:
            raise EngineSilent(f"vLLM has not answered for {silence:.0f} s, although requests wait.")

    async def generate(self, request: Generation) -> Completion:
        """Return the whole completion, with one log-probability per token."""
        async with aclosing(self._write(request, whole=True)) as steps:
            *_, last = [writing async for writing in steps]
        return last.completion()

    async def stream(self, request: Generation) -> AsyncIterator[Delta]:
        """Yield the completion piece by piece; closing the iterator frees the slot."""
        async with aclosing(self._write(request, whole=False)) as steps:
            async for writing in steps:
                if delta := writing.new_text():
                    yield delta

    async def _write(self, request: Generation, whole: bool) -> AsyncGenerator[Writing]:
        """Yield the completion as it grows; with `whole`, once, unless a stop string may end it."""
        request = admit(request, self._config.max_length, self._adapters)
        if request.sampling.seed is not None and request.sampling.temperature > 0 and not self._seeds:
            raise InputError("This engine cannot sample from a seed.", "seed", "Leave it out, or set temperature to 0.")
        await self._trials.admit(request.answer)
        writing = Writing(self._tokenizer, request)
        params = _sampling_params(request, in_pieces=not whole or bool(request.sampling.stop))
        async with aclosing(self._outputs(request.ids, params, request.adapter)) as outputs:
            async for output in outputs:
                _add(writing, output)
                yield writing
                if writing.finish is not None:
                    return

    async def score(self, ids: Sequence[int], adapter: str | None = None) -> tuple[float, ...]:
        """Return the log-probability of every token but the first, each given those before it."""
        admit_score(ids, self._config.max_length, adapter, self._adapters)
        async with aclosing(self._outputs(ids, _scoring_params(), adapter)) as outputs:
            *_, last = [output async for output in outputs]
        return tuple(row[token].logprob for row, token in _positions(last, ids))

    async def score_top(self, ids: Sequence[int], top: int, adapter: str | None = None) -> tuple[TokenScore, ...]:
        """Score as `score` does, with the `top` likeliest tokens at each position."""
        admit_score(ids, self._config.max_length, adapter, self._adapters)
        async with aclosing(self._outputs(ids, _scoring_params(top), adapter)) as outputs:
            *_, last = [output async for output in outputs]
        return tuple(TokenScore(row[token].logprob, _top(row, top)) for row, token in _positions(last, ids))

    async def _outputs(
        self, ids: Sequence[int], params: SamplingParams, adapter: str | None
    ) -> AsyncGenerator[RequestOutput]:
        """Yield the engine's outputs of one request; closing the generator aborts the request."""
        from vllm import TokensPrompt
        from vllm.exceptions import VLLMClientError
        from vllm.v1.engine.exceptions import EngineDeadError

        engine = self._running()
        prompt = TokensPrompt(prompt_token_ids=list(ids))
        lora = None if adapter is None else self._adapters[adapter]
        try:
            with self._pulse.waiting():
                async with aclosing(
                    engine.generate(prompt, params, f"kit-{next(self._numbers)}", lora_request=lora)
                ) as outputs:
                    async for output in outputs:
                        self._pulse.heard()
                        yield output
        except VLLMClientError as error:
            raise InputError(f"vLLM refuses the request: {compiler_reason(error)}.") from error
        except EngineDeadError as error:
            raise KitError(_DIED, next="Try again later.") from error

    async def load(self, name: str, adapter: Path) -> None:
        """Load an adapter into memory, so that no request waits for the disk.

        Raises InputError if it cannot be read or does not fit, or the name is taken; KitError if there is no room.
        """
        engine = self._running()
        if name in self._adapters:
            raise InputError(f"An adapter '{name}' is loaded already.", next="Unload it first, or take a new name.")
        if len(self._adapters) >= 2 * self._slots:  # one more would silently push another one out of memory
            raise KitError(f"The engine has no room for the adapter '{name}'.", next="Unload another one first.")
        check_adapter(name, adapter, self._config.model, self._config.max_rank)
        if strange := adapted(adapter) - self._adaptable:
            what = f"The adapter '{name}' adapts {', '.join(sorted(strange))}; no adapter did when the engine started."
            raise InputError(what, str(adapter), "Start the engine with this adapter.")
        lora = _lora_request(name, next(self._numbers), adapter)
        try:
            await engine.add_lora(lora)
            if len(self._adapters) < self._slots - 1:  # one slot stays free: vLLM cannot work with all of them pinned
                await engine.pin_lora(lora.lora_int_id)
        except Exception as error:
            raise InputError(f"vLLM cannot load the adapter '{name}': {error}", str(adapter)) from error
        self._adapters[name] = lora

    async def unload(self, name: str) -> None:
        """Forget an adapter.

        Raises KitError if it is not loaded.
        """
        admit_adapter(name, self._adapters)
        await self._running().remove_lora(self._adapters.pop(name).lora_int_id)

    def _running(self) -> AsyncLLM:
        if self._engine is None:
            raise KitError("The vLLM engine is not running.", next="Start it first.")
        return self._engine


def _positions(output: RequestOutput, ids: Sequence[int]) -> Iterator[tuple[Mapping[int, Logprob], int]]:
    """Yield for every token but the first the log-probabilities at its position, and the token."""
    rows = output.prompt_logprobs or []
    yield from ((row, token) for row, token in zip(rows[1:], ids[1:], strict=True) if row is not None)


def _add(writing: Writing, output: RequestOutput) -> None:
    """Add the new tokens of an output; if vLLM ended the request, end the completion."""
    [new] = output.outputs
    wanted = writing.top_logprobs
    for token, choices in zip(new.token_ids, new.logprobs or (), strict=True):
        writing.add(token, choices[token].logprob, _top(choices, wanted))
        if writing.finish is not None:
            return
    if output.finished:
        writing.finish = "length" if new.finish_reason == "length" else "abort"


def _top(choices: Mapping[int, Logprob], wanted: int) -> TopTokens:
    """Return the likeliest tokens of one position; vLLM adds the chosen token, which may not be one of them."""
    if not wanted:
        return ()
    ranked = sorted(choices.items(), key=lambda item: (-item[1].logprob, item[0]))
    return tuple((token, choice.logprob) for token, choice in ranked[:wanted])


def _sampling_params(request: Generation, in_pieces: bool) -> SamplingParams:
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

    sampling, grammar = request.sampling, grammar_of(request.answer)
    constraint = grammar and StructuredOutputsParams(**{_GRAMMAR_FIELDS[grammar.kind]: grammar.source})
    return SamplingParams(
        max_tokens=sampling.max_tokens,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        top_k=sampling.top_k,
        seed=sampling.seed,
        stop_token_ids=list(sampling.stop_ids),
        ignore_eos=True,  # only the request's own stop ids end it
        min_p=sampling.min_p,
        min_tokens=sampling.min_tokens,
        presence_penalty=sampling.presence_penalty,
        frequency_penalty=sampling.frequency_penalty,
        repetition_penalty=sampling.repetition_penalty,
        logit_bias=dict(sampling.logit_bias) or None,
        logprobs=sampling.top_logprobs or 0,  # 0: of the chosen token alone
        detokenize=False,  # Writing does it, the same for every engine
        output_kind=RequestOutputKind.DELTA if in_pieces else RequestOutputKind.FINAL_ONLY,
        structured_outputs=constraint,
    )


def _scoring_params(top: int = 0) -> SamplingParams:
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    return SamplingParams(
        max_tokens=1,
        temperature=0.0,
        prompt_logprobs=top,
        detokenize=False,
        output_kind=RequestOutputKind.FINAL_ONLY,
    )


def _lora_request(name: str, number: int, adapter: Path) -> LoRARequest:
    """Return a request with a new name and number: vLLM uses both as cache keys."""
    from vllm.lora.request import LoRARequest

    return LoRARequest(f"{name}-{number}", number, str(adapter.resolve()))
