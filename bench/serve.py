"""The service against vLLM's own server on the same weights: time to the first token; and how soon a probe answers."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from urllib.request import urlopen

import yaml

from bench.shared.commands import ROOT, kit, project
from bench.shared.connection import Connection
from bench.shared.harness import Figures, alternate, short
from kit.engines import available
from kit.engines.vllm.environment import starting_environment
from kit.errors import KitError, Unmeasured
from serving.server import listen

_CLIENTS = (1, 8)
_PAIRS = 12
_ASKED = 8  # requests of each client in one half of a pair
_PROBES = 400
_START_SECONDS = 300
_numbers = count()


def measure(pairs: int = _PAIRS, threads: int | None = None) -> Figures:
    """Serve a small merged bundle with `kit serve` and with vLLM's server, both up at once, and ask them in turn."""
    if "vllm" not in available():
        raise Unmeasured("vLLM is not installed.", next="Run `make setup` on a machine that it is built for.")
    with project("legal") as folder, ExitStack() as stack:
        bundle = _bundle(folder)
        model = folder / "bundles" / "sha256" / bundle / "model"
        ours = stack.enter_context(_ours(folder, bundle, threads))
        theirs = stack.enter_context(_theirs(model, threads))
        figures = {"probe": asyncio.run(_probe(ours))}
        for clients in _CLIENTS:
            ratio = alternate(lambda n=clients: _first(ours, n), lambda n=clients: _first(theirs, n), pairs)  # type: ignore[misc]
            figures[f"first token, {clients} at once"] = ratio.figure("ms")
    return figures


def _bundle(folder: Path) -> str:
    """Train on a few documents; how well does not matter here."""
    path = folder / "recipe.yaml"
    recipe = yaml.safe_load(path.read_text())
    small = {"data": {"limit_train": 48, "limit_validation": 8}, "bundle": {"form": "merged"}}
    recipe["profiles"]["served"] = {**recipe["profiles"]["smoke"], **small}
    path.write_text(yaml.safe_dump(recipe, sort_keys=False))
    return str(kit(folder, "train", "--profile", "served")["bundle"])


@contextmanager
def _ours(folder: Path, bundle: str, threads: int | None) -> Iterator[int]:
    """Give the port of `kit serve`."""
    words = ["serve", bundle, "--port", "0", "--engine", "vllm", "--json"]
    words += [] if threads is None else ["--threads", str(threads)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "kit", *words]
    with _running(subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)) as process:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline() or "{}")
        if not said.get("ready"):
            raise KitError(f"`kit serve` did not become ready: {said}")
        yield int(said["url"].rpartition(":")[2])


@contextmanager
def _theirs(model: Path, threads: int | None) -> Iterator[int]:
    """Give the port of vLLM's own server: its own defaults, in the environment that our engine starts in."""
    with listen("127.0.0.1", 0) as free:
        port = int(free.getsockname()[1])
    length = json.loads((model / "config.json").read_text())["max_position_embeddings"]
    words = ["--model", str(model), "--host", "127.0.0.1", "--port", str(port), "--max-model-len", str(length)]
    words += ["--served-model-name", "peer", "--dtype", "bfloat16", "--enforce-eager", "--disable-uvicorn-access-log"]
    with starting_environment(threads):
        command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", *words]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    with _running(process):
        _wait(process, f"http://127.0.0.1:{port}/health")
        yield port


@contextmanager
def _running(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[str]]:
    try:
        yield process  # type: ignore[misc]
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()


def _wait(process: subprocess.Popen[bytes], url: str) -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            with urlopen(url):
                return
        except OSError:
            time.sleep(0.5)
    raise KitError("vLLM's own server did not come up.")


def _first(port: int, clients: int) -> float:
    """Return the median time to the first token in milliseconds, over all requests of some clients at once."""
    return statistics.median(asyncio.run(_asked(port, clients))) * 1000


async def _asked(port: int, clients: int) -> list[float]:
    async def client() -> list[float]:
        async with Connection.to(port) as connection:
            return [await connection.first_token(next(_numbers)) for _ in range(_ASKED)]

    return [seconds for each in await asyncio.gather(*[client() for _ in range(clients)]) for seconds in each]


async def _probe(port: int) -> dict[str, float | int | str]:
    """Return how soon /livez answers on one connection that is kept."""
    async with Connection.to(port) as connection:
        seconds = sorted([await connection.probe("/livez") for _ in range(_PROBES)])
    middle, late = (short(1000 * seconds[_PROBES * part // 100]) for part in (50, 99))
    return {"median": middle, "p99": late, "probes": _PROBES, "unit": "ms"}
