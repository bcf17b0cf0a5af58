"""Time to the first token of `kit serve` against vLLM's own server on the same weights, and the latency of a probe."""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from urllib.request import urlopen

from bench.shared.commands import project
from bench.shared.connection import Connection
from bench.shared.harness import Figure, Figures, alternate, four_digits
from bench.shared.requirements import require_vllm
from bench.shared.services import serving, stopping, train_bundles
from kit.engines.vllm.environment import starting_environment
from kit.errors import KitError
from serving.server import listen

_CLIENTS = (1, 8)
_PAIRS = 12
_REQUESTS = 8  # of each client, in one half of a pair
_PROBES = 400
_START_SECONDS = 300
_numbers = count()


def measure(pairs: int = _PAIRS, threads: int | None = None) -> Figures:
    """Serve a small merged bundle with `kit serve` and with vLLM's server, both at once; send requests in turn."""
    require_vllm()
    with project("legal") as folder, ExitStack() as stack:
        (bundle,) = train_bundles(folder, ("merged",))
        model = folder / "bundles" / "sha256" / bundle / "model"
        ours = stack.enter_context(_ours(folder, bundle, threads))
        theirs = stack.enter_context(_theirs(model, threads))
        figures = {"probe": asyncio.run(_probe(ours))}
        for clients in _CLIENTS:
            ratio = alternate(lambda n=clients: _first(ours, n), lambda n=clients: _first(theirs, n), pairs)  # type: ignore[misc]
            figures[f"first token, {clients} at once"] = ratio.figure("ms")
    return figures


@contextmanager
def _ours(folder: Path, bundle: str, threads: int | None) -> Iterator[int]:
    """Give the port of `kit serve`."""
    with serving(folder, bundle, "vllm", threads) as status:
        if not status.get("ready"):
            raise KitError(f"`kit serve` did not become ready: {status}")
        yield int(status["url"].rpartition(":")[2])


@contextmanager
def _theirs(model: Path, threads: int | None) -> Iterator[int]:
    """Give the port of vLLM's own server, with its defaults, in the environment that our engine starts in."""
    with listen("127.0.0.1", 0) as free:
        port = int(free.getsockname()[1])
    length = json.loads((model / "config.json").read_text())["max_position_embeddings"]
    words = ["--model", str(model), "--host", "127.0.0.1", "--port", str(port), "--max-model-len", str(length)]
    words += ["--served-model-name", "peer", "--dtype", "bfloat16", "--enforce-eager", "--disable-uvicorn-access-log"]
    with starting_environment(threads):
        command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", *words]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    with stopping(process):
        _wait(process, f"http://127.0.0.1:{port}/health")
        yield port


def _wait(process: subprocess.Popen[bytes], url: str) -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            with urlopen(url):
                return
        except OSError:
            time.sleep(0.5)
    raise KitError("vLLM's own server did not start.")


def _first(port: int, clients: int) -> float:
    """Return the median time to the first token in milliseconds, over all requests of concurrent clients."""
    return statistics.median(asyncio.run(_seconds_to_first(port, clients))) * 1000


async def _seconds_to_first(port: int, clients: int) -> list[float]:
    async def client() -> list[float]:
        async with Connection.to(port) as connection:
            return [await connection.first_token(next(_numbers)) for _ in range(_REQUESTS)]

    return [seconds for each in await asyncio.gather(*[client() for _ in range(clients)]) for seconds in each]


async def _probe(port: int) -> Figure:
    """Return the latency of /livez on one kept connection."""
    async with Connection.to(port) as connection:
        seconds = sorted([await connection.probe("/livez") for _ in range(_PROBES)])
    median, p99 = (four_digits(1000 * seconds[_PROBES * part // 100]) for part in (50, 99))
    return {"median": median, "p99": p99, "probes": _PROBES, "unit": "ms"}
