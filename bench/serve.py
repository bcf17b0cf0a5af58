"""`kit serve` against vLLM's own server on the same weights: tokens, short requests, first tokens, CPU, typed route."""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path

from bench.shared.commands import environment, project
from bench.shared.connection import Connection
from bench.shared.harness import Figure, Figures, alternate, four_digits
from bench.shared.requirements import require_vllm
from bench.shared.servers import Server, ours, theirs
from bench.shared.services import stopping, train_bundles

_PAIRS = 7
_STREAM_TOKENS = 64
_STREAMS = {1: 4, 8: 3, 32: 2}  # answers of each client in one half of a pair, by number of clients
_SHORT_CLIENTS, _SHORT_REQUESTS = 16, 12
_FIRST_CLIENTS, _FIRST_REQUESTS = 8, 8
_SCRIPTED_CLIENTS, _SCRIPTED_TOKENS = 8, 1000
_PROBES = 400
_DOCUMENT_CHARACTERS = 300_000
_TYPED_PAIRS = 5
_numbers = count()

Client = Callable[[Connection], Awaitable[float]]


def measure() -> Figures:
    """Train a small merged bundle, and serve it with both servers at once; they are asked in turn."""
    require_vllm()
    with project("legal") as folder:
        (bundle,) = train_bundles(folder, ("merged",))
        model = folder / "bundles" / "sha256" / bundle / "model"
        figures: dict[str, Figure] = {}
        with ours(folder, bundle) as us, theirs(model) as them:
            figures["probe"] = asyncio.run(_probe(us))
            figures |= _against(us, them)
        with ours(folder, bundle, scripted=True) as us, theirs(model, scripted=True) as them:
            figures["cpu_per_token"] = alternate(lambda: _cpu(us), lambda: _cpu(them), _PAIRS).figure("µs")
        figures["typed_route"] = _typed_route(folder, bundle)
    return figures


def _against(us: Server, them: Server) -> dict[str, Figure]:
    """Return the figures of both servers with their real engines."""

    def both(measured: Callable[[Server], float], unit: str) -> Figure:
        return alternate(lambda: measured(us), lambda: measured(them), _PAIRS).figure(unit)

    figures = {
        f"tokens_per_s.c{clients}": both(partial(_tokens_per_second, clients), "tokens/s") for clients in _STREAMS
    }
    figures["short_requests"] = both(_short_requests, "requests/s")
    figures["ttft"] = both(_first_token, "ms")
    return figures


def _tokens_per_second(clients: int, server: Server) -> float:
    """Return streamed tokens per second, over all clients."""

    async def client(connection: Connection) -> float:
        written = [await connection.stream(next(_numbers), _STREAM_TOKENS) for _ in range(_STREAMS[clients])]
        return sum(tokens for _, tokens in written)

    start = time.perf_counter()
    tokens = sum(_concurrently(server, clients, client))
    return tokens / (time.perf_counter() - start)


def _short_requests(server: Server) -> float:
    """Return answers of one token per second."""

    async def client(connection: Connection) -> float:
        for _ in range(_SHORT_REQUESTS):
            await connection.short_answer(next(_numbers))
        return _SHORT_REQUESTS

    start = time.perf_counter()
    answers = sum(_concurrently(server, _SHORT_CLIENTS, client))
    return answers / (time.perf_counter() - start)


def _first_token(server: Server) -> float:
    """Return the median milliseconds to the first token, over all requests of concurrent clients."""

    async def client(connection: Connection) -> float:
        return statistics.median([await connection.first_token(next(_numbers)) for _ in range(_FIRST_REQUESTS)])

    return 1000 * statistics.median(_concurrently(server, _FIRST_CLIENTS, client))


def _cpu(server: Server) -> float:
    """Return the CPU microseconds of the HTTP process for each token that it streamed."""

    async def client(connection: Connection) -> float:
        return (await connection.stream(next(_numbers), _SCRIPTED_TOKENS))[1]

    before = server.cpu_seconds()
    tokens = sum(_concurrently(server, _SCRIPTED_CLIENTS, client))
    return 1e6 * (server.cpu_seconds() - before) / tokens


def _concurrently(server: Server, clients: int, client: Client) -> list[float]:
    """Run clients at the same time, each on its own connection; return what each returned."""

    async def one() -> float:
        async with Connection.to(server.port) as connection:
            return await client(connection)

    async def all_clients() -> list[float]:
        return await asyncio.gather(*[one() for _ in range(clients)])

    return asyncio.run(all_clients())


async def _probe(server: Server) -> Figure:
    """Return the latency of /livez on one kept connection."""
    async with Connection.to(server.port) as connection:
        seconds = sorted([await connection.probe("/livez") for _ in range(_PROBES)])
    median, p99 = (four_digits(1000 * seconds[_PROBES * part // 100]) for part in (50, 99))
    return {"median": median, "p99": p99, "probes": _PROBES, "unit": "ms"}


def _typed_route(folder: Path, bundle: str) -> Figure:
    """Return documents per second on the typed route against a bare loop over the engine."""
    request = folder / "document.json"
    request.write_text(json.dumps({"text": _long_document(folder)}))
    body = json.loads(request.read_text())
    with ours(folder, bundle) as us, _bare_loop(folder, bundle, request) as bare:

        async def typed(connection: Connection) -> float:
            start = time.perf_counter()
            await connection.post("/v1/legal/clauses", body)
            return 1 / (time.perf_counter() - start)

        return alternate(lambda: _concurrently(us, 1, typed)[0], bare, _TYPED_PAIRS).figure("documents/s")


def _long_document(folder: Path) -> str:
    """Join the project's training contracts into one long text; no window of it is equal to another."""
    lines = (folder / "data" / "train.jsonl").read_text().splitlines()
    texts = [f"Part {number}.\n{json.loads(line)['request']['text']}" for number, line in enumerate(lines, 1)]
    text = "\n\n".join(texts)
    rounds = -(-_DOCUMENT_CHARACTERS // len(text))
    return "\n\n".join(f"Volume {volume}.\n{text}" for volume in range(1, rounds + 1))[:_DOCUMENT_CHARACTERS]


@contextmanager
def _bare_loop(folder: Path, bundle: str, request: Path) -> Iterator[Callable[[], float]]:
    """Give a function that answers the request once without a service; it returns documents per second."""
    command = [sys.executable, "-m", "bench.shared.bare_loop", str(folder), bundle, str(request)]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment())
    with stopping(process):
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout
        while stdout.readline().strip() != "ready":
            pass

        def answer() -> float:
            stdin.write("\n")
            stdin.flush()
            return 1 / float(stdout.readline())

        yield answer
