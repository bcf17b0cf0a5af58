"""The service's side of the workers: a bounded number of them, each killed as soon as nobody waits for its work."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from kit.errors import KitError
from serving.errors import NO_RETRY, ServiceError
from serving.workers.jobs import Assignment
from serving.workers.wire import exchange, packed

_GONE = (asyncio.IncompleteReadError, OSError, EOFError, pickle.UnpicklingError)
_LARGEST_LINE = 2**20


@dataclass(frozen=True)
class _Worker:
    pid: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def kill(self) -> None:
        """Kill the process; its nursery keeps its id from being given to another one until the next fork."""
        self.writer.close()
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


class Workers:
    """Runs jobs in at most `count` processes at once; the others wait for their turn.

    A job whose caller is cancelled, or that takes longer than `seconds`, is killed with its process.
    """

    def __init__(self, assignments: Sequence[Assignment], count: int, seconds: float) -> None:
        self._assignments = tuple(assignments)
        self._seconds = seconds
        self._turns = asyncio.Semaphore(count)
        self._forking = asyncio.Lock()
        self._idle: list[_Worker] = []
        self._busy: set[_Worker] = set()
        self._nursery: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._stopped = False

    async def start(self) -> None:
        """Load the bundles in a process that workers are forked from; raises what loading them raised."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        command = [sys.executable, "-m", "serving.workers.nursery", str(theirs.fileno()), str(os.getpid())]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        environment |= {"TOKENIZERS_PARALLELISM": "false"}
        with theirs:
            self._nursery = subprocess.Popen(
                command,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=2,  # what a task prints is no output of the service
                env=environment,
                start_new_session=True,  # a terminal's Ctrl-C is for the service alone
            )
        self._control = ours
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(ours, packed(self._assignments))
        answer = await _received(ours)
        if isinstance(answer, Exception):
            raise answer

    async def stop(self) -> None:
        """Kill every worker, whatever it is at; calling it twice is harmless."""
        self._stopped = True
        for worker in [*self._idle, *self._busy]:
            worker.kill()
        self._idle.clear()
        self._end_nursery()

    def _end_nursery(self) -> None:
        nursery, self._nursery = self._nursery, None
        control, self._control = self._control, None
        if control is not None:
            control.close()
        if nursery is not None:
            nursery.kill()
            nursery.wait()

    async def run(self, job: str, *arguments: Any) -> Any:
        """Return what a job of `Jobs` returns, or raise what it raises.

        Raises ServiceError (504) where it takes too long, KitError where the process died of it.
        """
        async with self._turns:
            worker = self._idle.pop() if self._idle else await self._new_worker()
            self._busy.add(worker)
            whole = False
            try:
                async with asyncio.timeout(self._seconds):
                    well, result = await exchange(worker.reader, worker.writer, (job, arguments))
                whole = True
            except TimeoutError:
                message = f"Reading the request took longer than {self._seconds:g} seconds. Send less text."
                raise ServiceError(504, "task_timeout", message, headers=NO_RETRY) from None
            except _GONE:
                message = "The process that read this request died of it."
                raise ServiceError(500, "task_died", message, headers=NO_RETRY) from None
            finally:
                self._busy.discard(worker)
                if whole and not self._stopped:
                    self._idle.append(worker)
                else:
                    worker.kill()
        if well:
            return result
        raise result

    async def _new_worker(self) -> _Worker:
        """Return a new worker. One that nobody waits for any more is kept for the next job."""
        forking = asyncio.ensure_future(self._fork())
        try:
            return await asyncio.shield(forking)
        except asyncio.CancelledError:
            forking.add_done_callback(self._keep)
            raise

    def _keep(self, forking: asyncio.Future[_Worker]) -> None:
        if forking.cancelled() or forking.exception() is not None:
            return
        if self._stopped:
            forking.result().kill()
        else:
            self._idle.append(forking.result())

    async def _fork(self) -> _Worker:
        """Fork a worker; a nursery that died is replaced first."""
        ours, theirs = socket.socketpair()
        async with self._forking:
            if self._stopped:
                raise KitError("The service is stopping.")
            try:
                pid = await self._born(theirs)
            except _GONE:
                self._end_nursery()
                await self.start()
                pid = await self._born(theirs)
            finally:
                theirs.close()
        reader, writer = await asyncio.open_connection(sock=ours, limit=_LARGEST_LINE)
        return _Worker(pid, reader, writer)

    async def _born(self, theirs: socket.socket) -> int:
        if self._control is None:
            raise EOFError
        socket.send_fds(self._control, [b"+"], [theirs.fileno()])
        answer = await _exactly(self._control, 8)
        return int.from_bytes(answer, "big")


async def _received(control: socket.socket) -> Any:
    length = int.from_bytes(await _exactly(control, 8), "big")
    return pickle.loads(await _exactly(control, length))


async def _exactly(control: socket.socket, length: int) -> bytes:
    loop = asyncio.get_running_loop()
    body = b""
    while len(body) < length:
        piece = await loop.sock_recv(control, length - len(body))
        if not piece:
            raise EOFError
        body += piece
    return body
