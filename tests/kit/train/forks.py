"""A model of two layers and 32 dimensions for tests with many runs, and a process that forks these runs."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import Qwen3Config, Qwen3ForCausalLM
from transformers.utils import logging

from kit.base import Base
from kit.errors import KitError
from kit.train.events import Event, Probed, Saved
from kit.train.job import TrainJob
from kit.train.loop import train
from tests.kit.train.parts import copy_rows, job, section

ROOT = Path(__file__).parents[3]


def tiny_base(folder: Path, vocabulary: int = 256, layers: int = 2) -> Base:
    """Write a random base, always the same, and return it."""
    config = Qwen3Config(
        vocab_size=vocabulary,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
    )
    logging.disable_progress_bar()
    torch.manual_seed(0)
    Qwen3ForCausalLM(config).save_pretrained(folder)
    return Base(str(folder), None, folder)


def tiny_job(folder: Path, base: Base, count: int = 96, **settings: Any) -> TrainJob:
    """A job of short steps with dropout, so that the random states matter."""
    train_section = section(lora={"rank": 8, "dropout": 0.1}, epochs=settings.pop("epochs", 2))
    return job(folder, rows=copy_rows(count), train=train_section, base=base, dtype="float32", **settings)


@dataclass(frozen=True)
class Child:
    """A run in a separate process, which reports every step."""

    pid: int
    lines: Iterator[str]

    def wait_for(self, step: int) -> None:
        """Return when the run has reported that a step is saved."""
        while self.says("saved") < step:
            pass

    def kill(self) -> None:
        """Kill it, as the system does when memory runs out."""
        os.kill(self.pid, signal.SIGKILL)
        assert self.code() == -signal.SIGKILL

    def says(self, what: str) -> Any:
        """Return the next message of a kind from the run."""
        for said in map(json.loads, self.lines):
            if what in said:
                return said[what]
            assert "code" not in said, f"The run ended, and said no {what}."
        raise AssertionError("The process that forks is gone.")

    def code(self) -> int:
        """Wait for its end and return its exit code."""
        return int(self.says("code"))


class ForkServer:
    """Starts runs by forking a process that has loaded all packages, which saves a minute of loading."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def start(self, **request: Any) -> Child:
        """Start a resumed run; the one before must have ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return Child(json.loads(self._process.stdout.readline())["pid"], iter(self._process.stdout))


@contextmanager
def fork_server() -> Iterator[ForkServer]:
    words = [sys.executable, "-m", "tests.kit.train.forks"]
    process = subprocess.Popen(words, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        yield ForkServer(process)
    finally:
        process.kill()
        process.communicate()


def _say(**what: Any) -> None:
    os.write(1, (json.dumps(what) + "\n").encode())


def _limit(size: int) -> None:
    """Limit how much more memory this process may take."""
    lines = Path("/proc/self/status").read_text().splitlines()
    taken = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmSize:"))
    resource.setrlimit(resource.RLIMIT_AS, (taken + size, resource.RLIM_INFINITY))


def large_job(folder: Path, base: Base, checkpointing: str) -> TrainJob:
    """One step with 256 rows in one micro-batch of 65,536 tokens."""
    wide = section(batch_rows=256, batch_tokens=65536, evaluations=1, gradient_checkpointing=checkpointing)
    rows = copy_rows(256, shortest=252, longest=252)
    return job(folder, rows=rows, train=wide, base=base, dtype="float32")


def _run(folder: str, base: str, limit: int | None = None, checkpointing: str = "auto") -> int:
    def report(event: Event) -> None:
        if isinstance(event, Saved):
            _say(saved=event.step)
        elif isinstance(event, Probed):
            _say(probed=asdict(event))

    model = Base(base, None, Path(base))
    started = tiny_job(Path(folder), model, resume=True, save_seconds=0.0)
    if limit is not None:
        started = large_job(Path(folder), model, checkpointing)
        _limit(limit)
    try:
        train(started, None, report)
    except KitError as error:
        _say(error=str(error))
        return int(error.code)
    return 0


def _serve() -> None:
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os._exit(_run(**json.loads(line)))
        _say(pid=child)
        _say(code=os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


if __name__ == "__main__":
    _serve()
