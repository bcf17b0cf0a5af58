"""The environment in which vLLM starts, and advice for a failed start."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from multiprocessing import resource_tracker, spawn
from pathlib import Path
from typing import Any

_DEFAULTS = {
    "VLLM_LOGGING_LEVEL": "ERROR",
    "TORCH_CPP_LOG_LEVEL": "ERROR",
    "PYTHONWARNINGS": "ignore",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
    "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB; vLLM's default is a share of all memory
    "VLLM_ALLOW_LONG_MAX_MODEL_LEN": "1",  # for one token more than the context: kit.engines.admission keeps the limit
}
_PROCESS = "kit.engines.vllm.process"
_UNLOADABLE = ("torchvision", "torchaudio", "torchcodec")


@contextmanager
def starting_environment(threads: int | None, log: Path | None = None) -> Iterator[None]:
    """Set the environment for a start, and restore it; the user's own variables win. vLLM writes its log to `log`."""
    defaults = _DEFAULTS if log is None else _DEFAULTS | _logging_to(log)
    wanted = {name: os.environ.get(name, value) for name, value in defaults.items()}
    if threads is not None:
        # By default vLLM binds a thread to every core but one; unbound, OpenMP's own variable decides.
        wanted |= {"VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": str(threads)}
        wanted["OMP_WAIT_POLICY"] = os.environ.get("OMP_WAIT_POLICY", "PASSIVE")
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _logging_to(log: Path) -> dict[str, str]:
    """Return the variables that send vLLM's messages to a file, from this process and from its children."""
    handler = {"class": "logging.FileHandler", "filename": str(log), "formatter": "plain", "delay": True}
    config = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"plain": {"format": "%(asctime)s %(processName)s %(levelname)s %(name)s: %(message)s"}},
        "handlers": {"file": handler},
        "loggers": {"vllm": {"handlers": ["file"], "level": "INFO", "propagate": False}},
    }
    log.parent.mkdir(parents=True, exist_ok=True)
    settings = log.with_suffix(".logging.json")
    settings.write_text(json.dumps(config))
    return {"VLLM_LOGGING_CONFIG_PATH": str(settings), "VLLM_LOGGING_LEVEL": "INFO"}


@contextmanager
def block_sigint() -> Iterator[None]:
    """Block Ctrl-C in all processes that are started inside the block.

    A terminal sends it to every process of a command. The program that started the engine first lets the running
    requests finish, then ends these processes.
    """
    resource_tracker.ensure_running()  # started inside the block, it would unblock interrupts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def replace_main() -> Iterator[None]:
    """Let processes that this thread spawns inside the block import `kit.engines.vllm.process`, not the user's script.

    A script without `if __name__ == "__main__":` would start another engine there. vLLM's processes need nothing from
    the script. Not to be nested, nor used by two threads at once.
    """
    import_module(_PROCESS)  # for its handler: this process imports vLLM too
    thread, prepare = threading.get_ident(), spawn.get_preparation_data

    def prepare_with_ours(name: str) -> dict[str, Any]:
        data = prepare(name)
        if threading.get_ident() != thread:
            return data
        kept = {key: value for key, value in data.items() if not key.startswith("init_main_from")}
        return {**kept, "init_main_from_name": _PROCESS}

    spawn.get_preparation_data = prepare_with_ours
    try:
        yield
    finally:
        spawn.get_preparation_data = prepare


def advice_on(error: BaseException, log: Path | None = None) -> str:
    """Return advice for a failed start.

    vLLM's build for CPUs installs three packages that torch for CPUs cannot load; text needs none of them.
    """
    if any(name in str(error) for name in _UNLOADABLE):
        return f"These are builds for another torch, and nothing here needs them: pip uninstall {' '.join(_UNLOADABLE)}"
    if log is not None:
        return f"vLLM's own messages are in {log}"
    return "See vLLM's own messages above; VLLM_LOGGING_LEVEL=INFO shows more."
