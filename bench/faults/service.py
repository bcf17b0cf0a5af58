"""A real `kit serve` in its own process, and a client that keeps its own clock."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from bench.shared.commands import environment
from kit.errors import KitError

_STOP_SECONDS = 60
_SLOW = 120.0
LONG_ANSWER = 1200  # tokens: longer than any fault takes


@dataclass
class Service:
    """A running service: its address, its process, and what it has written on stderr."""

    url: str
    process: subprocess.Popen[str]
    log: list[str] = field(default_factory=list)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.url.rpartition(":")[2])

    @property
    def start_seconds(self) -> float:
        """How long the engine took to start, by the service's own words."""
        for line in self.log:
            if line.startswith("Started "):
                return float(line.rpartition("(")[2].partition(" ")[0])
        raise KitError("The service did not say how long its engine took to start.")

    def engine_processes(self) -> list[psutil.Process]:
        """Return the processes of vLLM's engine."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        return [child for child in children if "VLLM" in " ".join(child.cmdline())]

    def memory_mb(self) -> float:
        """Return the resident memory of the process that answers HTTP, in MB."""
        return float(psutil.Process(self.process.pid).memory_info().rss / 1e6)

    def client(self) -> httpx.AsyncClient:
        """Return a client without a limit on connections."""
        limits = httpx.Limits(max_connections=None)
        return httpx.AsyncClient(base_url=self.url, timeout=_SLOW, limits=limits)


@contextmanager
def running(folder: Path, bundle: str, engine: str, settings: Mapping[str, object] | None = None) -> Iterator[Service]:
    """Serve a bundle with settings until the block ends. Raises KitError if the service does not become ready."""
    service = start(folder, bundle, engine, settings)
    try:
        wait_until_ready(service)
        yield service
    finally:
        end(service)


def start(folder: Path, bundle: str, engine: str, settings: Mapping[str, object] | None = None) -> Service:
    """Start a service and return at once; its address is known only when it is ready."""
    words = [sys.executable, "-m", "kit", "serve", bundle, "--port", "0", "--engine", engine, "--json"]
    extra = {f"DOMAINKIT_{name.upper()}": str(value) for name, value in (settings or {}).items()}
    process = subprocess.Popen(
        words, cwd=folder, env=environment() | extra, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    service = Service("", process)
    threading.Thread(target=_collect, args=(process, service.log), daemon=True).start()
    return service


def _collect(process: subprocess.Popen[str], log: list[str]) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        log.append(line)


def wait_until_ready(service: Service) -> None:
    """Wait for the line that a ready service prints. Raises KitError if it ends instead."""
    assert service.process.stdout is not None
    status = json.loads(service.process.stdout.readline() or "{}")
    if not status.get("ready"):
        raise KitError(f"The service did not become ready: {status} {''.join(service.log[-5:])}")
    service.url = status["url"]


def end(service: Service) -> None:
    """End the service, by force if it must be, with all its children."""
    children = psutil.Process(service.process.pid).children(recursive=True) if service.process.poll() is None else []
    service.process.terminate()
    try:
        service.process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        service.process.kill()
    for child in children:
        with_suppressed_kill(child)


def with_suppressed_kill(process: psutil.Process) -> None:
    """Kill a process if it still runs, stopped or not."""
    try:
        os.kill(process.pid, signal.SIGCONT)
        process.kill()
    except (ProcessLookupError, psutil.NoSuchProcess):
        return


def chat(tokens: int, stream: bool = False, text: str = "Tell me of notice periods.") -> dict[str, Any]:
    """Return the body of a chat request for an answer of exactly so many tokens."""
    messages = [{"role": "user", "content": text}]
    return {"messages": messages, "max_tokens": tokens, "ignore_eos": True, "stream": stream, "temperature": 1}


async def seconds_until(service: Service, status: int, patience: float = 300.0) -> float:
    """Return the seconds until /readyz answers with a status. Raises KitError after `patience` seconds."""
    begin = time.monotonic()
    async with service.client() as client:
        while time.monotonic() - begin < patience:
            if (await client.get("/readyz")).status_code == status:
                return time.monotonic() - begin
            await asyncio.sleep(0.02)
    raise KitError(f"/readyz did not answer {status} within {patience:.0f} s.")


@dataclass
class Stream:
    """One streamed answer. `begun` is set when the first text arrives; `last` is the last event."""

    begun: asyncio.Event = field(default_factory=asyncio.Event)
    events: int = 0
    last: str = ""
    ended: float = 0.0

    @property
    def failed(self) -> bool:
        """Whether it ended with an error event."""
        return '"error"' in self.last

    @property
    def finished(self) -> bool:
        """Whether it ended with a finish reason and [DONE]."""
        return self.last == "[DONE]" and not self.failed


async def streaming(client: httpx.AsyncClient, tokens: int, into: Stream) -> None:
    """Read one streamed answer to its end, whatever that is."""
    try:
        async with client.stream("POST", "/v1/chat/completions", json=chat(tokens, stream=True)) as answer:
            async for line in answer.aiter_lines():
                if line.startswith("data: "):
                    _note(into, line[6:])
    except httpx.HTTPError as error:
        into.last = f"{type(error).__name__}"
    finally:
        into.ended = time.monotonic()
        into.begun.set()


def _note(stream: Stream, event: str) -> None:
    stream.events += 1
    if event != "[DONE]" or not stream.failed:
        stream.last = event
    if '"content":' in event:
        stream.begun.set()


async def begin_streams(client: httpx.AsyncClient, count: int, tokens: int) -> tuple[list[Stream], asyncio.Task[Any]]:
    """Begin streams, and return them and their task when each has sent its first text."""
    streams = [Stream() for _ in range(count)]
    task = asyncio.ensure_future(_all(client, streams, tokens))
    for each in streams:
        await each.begun.wait()
    return streams, task


async def _all(client: httpx.AsyncClient, streams: Sequence[Stream], tokens: int) -> None:
    await asyncio.gather(*(streaming(client, tokens, each) for each in streams))


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least this share of the values does not exceed."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))]
