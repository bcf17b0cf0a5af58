"""What an engine of vLLM starts with, and how its processes end."""

from __future__ import annotations

import logging
import multiprocessing
from collections.abc import Collection
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any, get_args

from kit.engines.base import MOST_TOP_LOGPROBS, EngineConfig
from kit.engines.structured import VLLM_STRUCTURED_OUTPUTS

if TYPE_CHECKING:
    from vllm import AsyncEngineArgs
    from vllm.v1.engine.async_llm import AsyncLLM

_STOP_SECONDS = 15.0
_PROCESS_NAME = "EngineCore"  # vLLM's name for the child process of an engine
_LONGEST_WHOLE_PREFILL = 8192  # tokens; on a CPU a longer prompt would keep every other answer waiting


def takes_seeds(splits_prefills: bool) -> bool:
    """Whether a request may have a seed of its own.

    When vLLM reads a prompt in several steps, it rewinds the random generator of the request. A generator on the CPU
    cannot be rewound, and the engine dies.
    """
    from vllm.platforms import current_platform

    return not (current_platform.is_cpu() and splits_prefills)


def engine_arguments(config: EngineConfig, lora: dict[str, Any]) -> AsyncEngineArgs:
    """Return vLLM's arguments for an engine; the user's own come before the defaults for this machine."""
    from vllm import AsyncEngineArgs
    from vllm.platforms import current_platform

    whole_prefills = current_platform.is_cpu() and config.max_length < _LONGEST_WHOLE_PREFILL
    asked = {"dtype": config.dtype, "enforce_eager": current_platform.is_cpu()} | config.vllm.arguments()
    return AsyncEngineArgs(
        **asked,
        model=str(config.model),
        max_model_len=config.max_length + 1,  # vLLM needs room for one token after a sequence that is only scored
        enable_chunked_prefill=False if whole_prefills else None,  # so that requests may have seeds: see takes_seeds
        structured_outputs_config=VLLM_STRUCTURED_OUTPUTS,
        logprobs_mode="raw_logprobs",
        max_logprobs=MOST_TOP_LOGPROBS,
        generation_config="vllm",  # no defaults from the model's folder: the seal has them
        disable_log_stats=True,
        use_tqdm_on_load=False,
        **lora,
    )


def lora_arguments(max_rank: int, slots: int, adaptable: frozenset[str]) -> dict[str, Any]:
    """Settings for adapters: how many can be active at once; twice as many fit in memory."""
    from vllm.config.lora import MaxLoRARanks

    ranks = sorted(get_args(MaxLoRARanks))
    return {
        "enable_lora": True,
        "max_loras": slots,
        "max_cpu_loras": 2 * slots,
        "max_lora_rank": next((rank for rank in ranks if rank >= max_rank), ranks[-1]),
        "lora_target_modules": sorted(adaptable),  # without it the output layer is adapted too, and scoring kills vLLM
    }


def kill_engines(others: Collection[BaseProcess]) -> None:
    """Kill the engine processes of this process, except others; their own children end with them."""
    for child in multiprocessing.active_children():
        if child not in others and child.name.startswith(_PROCESS_NAME):
            child.kill()


def shut_down(engine: AsyncLLM) -> None:
    """End the child processes, by force if they are slow, and wait until none is left as a zombie."""
    children = multiprocessing.active_children()
    logger = logging.getLogger("vllm")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # the end of the children is expected
    try:
        engine.shutdown(_STOP_SECONDS)
    finally:
        logger.setLevel(level)
    for child in children:
        if child.name.startswith(_PROCESS_NAME):
            child.join(_STOP_SECONDS)
