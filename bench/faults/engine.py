"""Faults of the engine: its process is killed, or stopped while it is alive; and those of the service's own process."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import psutil

from bench.faults.service import LONG_ANSWER, Service, begin_streams, chat, end, running, seconds_until, start
from kit.errors import KitError

_STREAMS = 16
_ENGINE = "EngineCore"


def engine_killed(service: Service) -> dict[str, float]:
    """Kill the engine's process while 16 answers are streamed.

    Returns the seconds until the last of them ended, until the service was not ready, and until it was ready again
    beyond the time of a start; and how many streams ended without an error event.
    """
    return asyncio.run(_engine_killed(service))


async def _engine_killed(service: Service) -> dict[str, float]:
    async with service.client() as client:
        streams, reading = await begin_streams(client, _STREAMS, LONG_ANSWER)
        core = _core(service)
        begin = time.monotonic()
        os.kill(core.pid, signal.SIGKILL)
        not_ready = await seconds_until(service, 503)
        await reading
        back = await seconds_until(service, 200)
        recovered = time.monotonic() - begin
        answered = await client.post("/v1/chat/completions", json=chat(1))
    if answered.status_code != 200 or back == 0:
        raise KitError(f"The service did not answer after its recovery: {answered.text}")
    return {
        "streams_ended": max(each.ended for each in streams) - begin,
        "without_error": sum(not each.failed for each in streams),
        "not_ready": not_ready,
        "recovered": recovered,
        "start": service.start_seconds,
    }


def _core(service: Service) -> psutil.Process:
    return next(each for each in service.engine_processes() if _ENGINE in " ".join(each.cmdline()))


def engine_stopped(service: Service) -> dict[str, float]:
    """Stop the engine's processes without ending them, and let them go on after the deadline of a request.

    Returns the seconds until the service was not ready, the status and seconds of a request that waited, and the
    seconds until it was ready again.
    """
    return asyncio.run(_engine_stopped(service))


async def _engine_stopped(service: Service) -> dict[str, float]:
    processes = service.engine_processes()
    async with service.client() as client:
        begin = time.monotonic()
        for each in processes:
            os.kill(each.pid, signal.SIGSTOP)
        waiting = asyncio.ensure_future(client.post("/v1/chat/completions", json=chat(8)))
        not_ready = await seconds_until(service, 503)
        answer = await waiting
        deadline = time.monotonic() - begin
        for each in processes:
            os.kill(each.pid, signal.SIGCONT)
        back = await seconds_until(service, 200)
    return {"not_ready": not_ready, "status": answer.status_code, "deadline": deadline, "back": back}


def parent_killed(service: Service) -> dict[str, float]:
    """Kill the service's own process; return how many of its children were left after 5 s."""
    children = psutil.Process(service.process.pid).children(recursive=True)
    service.process.kill()
    service.process.wait()
    _, left = psutil.wait_procs(children, timeout=5)
    for each in left:
        each.kill()
    return {"children": len(children), "left": len(left)}


def stopped_while_starting(folder: Path, bundle: str, after: float) -> dict[str, float]:
    """Send SIGTERM so many seconds after the start; return the seconds until the process and its children ended."""
    service = start(folder, bundle, "vllm")
    time.sleep(after)
    children = psutil.Process(service.process.pid).children(recursive=True)
    begin = time.monotonic()
    service.process.send_signal(signal.SIGTERM)
    try:
        code = service.process.wait(60)
        ended = time.monotonic() - begin
        _, left = psutil.wait_procs(children, timeout=5)
    finally:
        end(service)
    return {"code": code, "ended": ended, "left": len(left)}


def stopped_when_idle(folder: Path, bundle: str) -> dict[str, float]:
    """Send SIGTERM to an idle service; return the seconds until it ended, and its exit code."""
    with running(folder, bundle, "vllm") as service:
        begin = time.monotonic()
        service.process.send_signal(signal.SIGTERM)
        code = service.process.wait(60)
        return {"code": code, "ended": time.monotonic() - begin}
