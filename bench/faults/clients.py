"""Faults of clients: they leave, never finish a request, read too slowly, send nonsense, or are too many."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections import Counter
from contextlib import suppress

import httpx

from bench.faults.service import LONG_ANSWER, Service, Stream, begin_streams, chat, percentile, streaming

_GOOD_CLIENTS, _GOOD_SECONDS = 4, 5.0
_HALF_HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: bench\r\n"


def disconnects(service: Service, slots: int, count: int = 100) -> dict[str, float]:
    """Leave so many streams at random moments; one second later ask for as many answers at once as there are slots.

    Returns how many of those were refused because a slot was still taken.
    """

    async def measure() -> dict[str, float]:
        async with service.client() as client:
            for _ in range(count // slots + 1):
                await asyncio.gather(*(_leave_early(client) for _ in range(slots)))
            await asyncio.sleep(1)
            asked = (client.post("/v1/chat/completions", json=chat(1)) for _ in range(slots))
            statuses = Counter(answer.status_code for answer in await asyncio.gather(*asked))
        return {"left": count, "refused": statuses.total() - statuses[200]}

    return asyncio.run(measure())


async def _leave_early(client: httpx.AsyncClient) -> None:
    reading = asyncio.ensure_future(streaming(client, LONG_ANSWER, Stream()))
    await asyncio.sleep(random.uniform(0, 0.5))
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)


def half_open(service: Service, count: int = 500) -> dict[str, float]:
    """Open connections that send nothing or half a head; return the seconds until all were closed.

    Also returns the 99th percentile of short answers to others, in ms, before and meanwhile.
    """

    async def measure() -> dict[str, float]:
        before = await _good_traffic(service)
        begin = time.monotonic()
        opened = [await _open(service.port, number % 2 == 1) for number in range(count)]
        closing = asyncio.gather(*(_closed(reader, begin) for reader, _ in opened))
        meanwhile = await _good_traffic(service)
        seconds = await closing
        for _, writer in opened:
            writer.close()
        return {"closed": max(seconds), "p99_before": before, "p99_meanwhile": meanwhile}

    return asyncio.run(measure())


async def _open(port: int, half: bool) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    if half:
        writer.write(_HALF_HEAD)
    return reader, writer


async def _closed(reader: asyncio.StreamReader, begin: float) -> float:
    """Return when the other side closed; 60 s if it did not."""
    with suppress(TimeoutError, OSError):
        async with asyncio.timeout(60):
            await reader.read()
    return time.monotonic() - begin


async def _good_traffic(service: Service) -> float:
    """Return the 99th percentile of answers of one token to clients that behave, in ms."""
    times: list[float] = []

    async def client(http: httpx.AsyncClient) -> None:
        end = time.monotonic() + _GOOD_SECONDS
        while time.monotonic() < end:
            begin = time.perf_counter()
            answer = await http.post("/v1/chat/completions", json=chat(1))
            answer.raise_for_status()
            times.append(1000 * (time.perf_counter() - begin))

    async with service.client() as http:
        await asyncio.gather(*(client(http) for _ in range(_GOOD_CLIENTS)))
    return percentile(times, 0.99)


def slow_readers(service: Service, count: int = 50, seconds: float = 10.0) -> dict[str, float]:
    """Read streams at one byte a second; return what others got meanwhile, and the memory that was added, in MB."""

    async def measure() -> dict[str, float]:
        before, memory = await _good_traffic(service), service.memory_mb()
        readers = [asyncio.ensure_future(_read_slowly(service.port, seconds)) for _ in range(count)]
        await asyncio.sleep(1)
        meanwhile = await _good_traffic(service)
        await asyncio.gather(*readers)
        grown = service.memory_mb() - memory
        return {"p99_before": before, "p99_meanwhile": meanwhile, "memory": grown}

    return asyncio.run(measure())


async def _read_slowly(port: int, seconds: float) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
    body = httpx.Request("POST", f"http://127.0.0.1:{port}/v1/chat/completions", json=chat(LONG_ANSWER, stream=True))
    head = "\r\n".join([f"{name}: {value}" for name, value in body.headers.items()])
    writer.write(f"POST /v1/chat/completions HTTP/1.1\r\n{head}\r\n\r\n".encode() + body.read())
    end = time.monotonic() + seconds
    while time.monotonic() < end and await reader.read(1):
        await asyncio.sleep(1)
    writer.close()


HOSTILE: dict[str, tuple[dict[str, str], bytes]] = {
    "headers over 16 kB": ({"x-long": "a" * 20_000}, b"{}"),
    "200 headers": ({f"x-{number}": "a" for number in range(200)}, b"{}"),
    "depth 10,000": ({}, b'{"messages":' + b"[" * 10_000 + b"]" * 10_000 + b"}"),
    "a list of a million": ({}, b'{"messages":[' + b"1," * 999_999 + b"1]}"),
    "NaN": ({}, b'{"messages":[{"role":"user","content":"a"}],"temperature":NaN}'),
    "a number of 5,000 digits": ({}, b'{"messages":[{"role":"user","content":"a"}],"seed":' + b"9" * 5_000 + b"}"),
    "invalid UTF-8": ({}, b'{"messages":[{"role":"user","content":"\xff\xfe"}]}'),
    "a body over the limit": ({"content-length": str(64 * 2**20)}, b"{"),
}


def hostile(service: Service) -> dict[str, dict[str, float]]:
    """Send what nobody should send; return the status, the bytes and the ms of each answer."""

    async def measure() -> dict[str, dict[str, float]]:
        return {name: await _raw(service.port, headers, body) for name, (headers, body) in HOSTILE.items()}

    return asyncio.run(measure())


async def _raw(port: int, headers: dict[str, str], body: bytes) -> dict[str, float]:
    lines = {"host": "bench", "content-type": "application/json", "content-length": str(len(body))} | headers
    head = "\r\n".join(f"{name}: {value}" for name, value in lines.items())
    begin = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
    with suppress(OSError):
        writer.write(f"POST /v1/chat/completions HTTP/1.1\r\n{head}\r\n\r\n".encode() + body)
        await writer.drain()
    answer = b""
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(20):
            answer = await reader.readuntil(b"\r\n\r\n")
            lines_read = answer.lower().splitlines()
            length = next(int(line[15:]) for line in lines_read if line.startswith(b"content-length:"))
            answer += await reader.readexactly(length)
    writer.close()
    status = int(answer.split()[1]) if answer else 0
    return {
        "status": status,
        "bytes": len(answer.partition(b"\r\n\r\n")[2]),
        "ms": 1000 * (time.perf_counter() - begin),
    }


def overload(service: Service, seconds: float = 60.0) -> dict[str, float]:
    """Send four times the load that the service can take; return what became of it.

    `refused_ms` is the 99th percentile of the time to a 429 or 503; `errors` counts every other status but 200, and
    refusals without retry-after.
    """
    return asyncio.run(_overload(service, seconds))


async def _overload(service: Service, seconds: float) -> dict[str, float]:
    async with service.client() as client:
        capacity = await _capacity(client)
        statuses: Counter[int] = Counter()
        refused: list[float] = []
        without_advice = 0

        async def one() -> None:
            nonlocal without_advice
            begin = time.perf_counter()
            answer = await client.post("/v1/chat/completions", json=chat(32))
            statuses[answer.status_code] += 1
            if answer.status_code in (429, 503):
                refused.append(1000 * (time.perf_counter() - begin))
                without_advice += "retry-after" not in answer.headers

        asked: list[asyncio.Task[None]] = []
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            asked.append(asyncio.ensure_future(one()))
            await asyncio.sleep(1 / (4 * capacity))
        await asyncio.gather(*asked)
    errors = statuses.total() - statuses[200] - statuses[429] - statuses[503] + without_advice
    return {
        "capacity": capacity,
        "answered": statuses[200],
        "refused": len(refused),
        "refused_ms": percentile(refused, 0.99) if refused else 0.0,
        "errors": errors,
    }


async def _capacity(client: httpx.AsyncClient, clients: int = 8, seconds: float = 5.0) -> float:
    """Return the answers per second that as many clients as this get, one request after the other."""
    count, end = 0, time.monotonic() + seconds

    async def one() -> None:
        nonlocal count
        while time.monotonic() < end:
            await client.post("/v1/chat/completions", json=chat(32))
            count += 1

    begin = time.monotonic()
    await asyncio.gather(*(one() for _ in range(clients)))
    return count / (time.monotonic() - begin)


def drained(service: Service, count: int = 32, tokens: int = 400) -> dict[str, float]:
    """Send SIGTERM while streams run; return how many of them finished, the status of a new request, and the exit."""

    async def measure() -> dict[str, float]:
        async with service.client() as client:
            streams, reading = await begin_streams(client, count, tokens)
            service.process.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.5)
            new = await client.post("/v1/chat/completions", json=chat(1))
            await reading
        code = await asyncio.to_thread(service.process.wait, 60)
        finished = sum(each.finished for each in streams)
        return {"streams": count, "finished": finished, "new": new.status_code, "code": code}

    return asyncio.run(measure())


def stopped_twice(service: Service) -> dict[str, float]:
    """Send SIGTERM twice while a long answer runs; return the seconds from the second one to the end of the process."""

    async def measure() -> dict[str, float]:
        async with service.client() as client:
            _, reading = await begin_streams(client, 1, LONG_ANSWER)
            service.process.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.5)
            begin = time.monotonic()
            service.process.send_signal(signal.SIGTERM)
            code = await asyncio.to_thread(service.process.wait, 60)
            ended = time.monotonic() - begin
            await reading
        return {"ended": ended, "code": code}

    return asyncio.run(measure())
