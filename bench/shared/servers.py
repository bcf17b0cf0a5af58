"""`kit serve` and vLLM's own server, side by side on the same merged weights, for benches of the service."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from bench.shared.commands import environment
from bench.shared.services import stopping
from kit.engines.vllm.environment import starting_environment
from kit.errors import KitError
from serving.server import listen

_START_SECONDS = 300
_KIT = ("-m", "kit")
_VLLM = ("-m", "vllm.entrypoints.openai.api_server")
_SCRIPTED = ("-m", "bench.shared.scripted_answers")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Server:
    """A running server: its port, and the process that answers HTTP."""

    port: int
    pid: int

    def cpu_seconds(self) -> float:
        """Return the CPU seconds that the HTTP process, without its children, has used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS


@contextmanager
def ours(folder: Path, bundle: str, scripted: bool = False) -> Iterator[Server]:
    """Run `kit serve` on vLLM; with `scripted`, its streams come from a script."""
    words = ["serve", bundle, "--port", "0", "--engine", "vllm", "--json"]
    command = [sys.executable, *((*_SCRIPTED, "kit") if scripted else _KIT), *words]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True, env=environment())
    with stopping(process):
        assert process.stdout is not None
        status = json.loads(process.stdout.readline() or "{}")
        if not status.get("ready"):
            raise KitError(f"`kit serve` did not become ready: {status}")
        yield Server(int(status["url"].rpartition(":")[2]), process.pid)


@contextmanager
def theirs(model: Path, scripted: bool = False) -> Iterator[Server]:
    """Run vLLM's own server with the same engine arguments as `kit serve`, in the same environment."""
    with listen("127.0.0.1", 0) as free:
        port = int(free.getsockname()[1])
    start = (*_SCRIPTED, "vllm") if scripted else _VLLM
    with starting_environment(None):
        command = [sys.executable, *start, *_arguments(model, port)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment())
    with stopping(process):
        _wait(process, f"http://127.0.0.1:{port}/health")
        yield Server(port, process.pid)


def _arguments(model: Path, port: int) -> list[str]:
    """The arguments that `kit.engines.vllm.engine` gives to the engine, as words of a command line."""
    length = json.loads((model / "config.json").read_text())["max_position_embeddings"]
    words = ["--model", str(model), "--host", "127.0.0.1", "--port", str(port), "--max-model-len", str(length)]
    words += ["--served-model-name", "peer", "--dtype", "bfloat16", "--enforce-eager", "--no-enable-chunked-prefill"]
    return [*words, "--generation-config", "vllm", "--disable-log-stats", "--disable-uvicorn-access-log"]


def _wait(process: subprocess.Popen[bytes], url: str) -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            with urlopen(url):
                return
        except OSError:
            time.sleep(0.5)
    raise KitError("vLLM's own server did not start.")
