"""Start our service or vLLM's own server with answers from a script, to measure what HTTP alone costs per token.

    python -m bench.shared.scripted_answers kit serve BUNDLE …
    python -m bench.shared.scripted_answers vllm --model FOLDER …

Each server starts with its real engine; then its engine's answers to streamed requests come from the script: the same
word again and again, at once, one token in each delta.
"""

from __future__ import annotations

import asyncio
import runpy
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

WORD, TOKEN = " word", 100


def scripted_kit(arguments: list[str]) -> None:
    """Run `kit` with a vLLM engine whose streams are scripted."""
    from kit.cli import main
    from kit.engines.base import Delta, Generation
    from kit.engines.vllm.engine import VllmEngine

    async def stream(self: VllmEngine, request: Generation) -> AsyncIterator[Delta]:  # noqa: ARG001
        last = request.sampling.max_tokens - 1
        for index in range(last + 1):
            await asyncio.sleep(0)
            yield Delta(WORD, (TOKEN,), "length" if index == last else None, (-0.1,))

    VllmEngine.stream = stream  # type: ignore[method-assign]
    sys.argv = ["kit", *arguments]
    main()


def scripted_vllm(arguments: list[str]) -> None:
    """Run vLLM's own server with an engine that is scripted."""
    from vllm.outputs import CompletionOutput, RequestOutput
    from vllm.v1.engine.async_llm import AsyncLLM

    async def generate(_: Any, prompt: Any, sampling_params: Any, request_id: str, **__: Any) -> AsyncGenerator[Any]:
        ids = list(prompt["prompt_token_ids"])
        last = sampling_params.max_tokens - 1
        for index in range(last + 1):
            await asyncio.sleep(0)
            reason = "length" if index == last else None
            output = CompletionOutput(0, WORD, [TOKEN], None, None, finish_reason=reason)
            yield RequestOutput(request_id, None, ids, None, [output], finished=index == last)

    AsyncLLM.generate = generate
    sys.argv = ["api_server", *arguments]
    runpy.run_module("vllm.entrypoints.openai.api_server", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    {"kit": scripted_kit, "vllm": scripted_vllm}[sys.argv[1]](sys.argv[2:])
