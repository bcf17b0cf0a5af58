"""A pool of worker processes. A worker is killed as soon as nobody waits for its result."""

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
from serving.workers.wire import encode, exchange, receive_async, receive_exactly_async

_CONNECTION_LOST = (asyncio.IncompleteReadError, OSError, EOFError, pickle.UnpicklingError)
_READ_BUFFER = 2**20


@dataclass(frozen=True)
class _Worker:
    pid: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def kill(self) -> None:
        """Kill the process. The system cannot reuse its id before the fork server reaps it at the next fork."""
        self.writer.close()
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


class Workers:
    """Run jobs in at most `count` processes; other jobs wait.

    A job's process is killed if the caller is cancelled or the job takes longer than `seconds`.
    """

    def __init__(self, assignments: Sequence[Assignment], count: int, seconds: float) -> None:
        self._assignments = tuple(assignments)
        self._seconds = seconds
        self._slots = asyncio.Semaphore(count)
        self._forking = asyncio.Lock()
        self._idle: list[_Worker] = []
        self._busy: set[_Worker] = set()
        self._fork_server: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._stopped = False

    async def start(self) -> None:
        """Start the fork server, which loads the bundles. Raises the error that loading raised."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        command = [sys.executable, "-m", "serving.workers.fork_server", str(theirs.fileno()), str(os.getpid())]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        environment |= {"TOKENIZERS_PARALLELISM": "false"}
        with theirs:
            self._fork_server = subprocess.Popen(
                command,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=2,  # to stderr: the output of a task is not output of the service
                env=environment,
                start_new_session=True,  # Ctrl-C in a terminal must reach only the service
            )
        self._control = ours
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(ours, encode(self._assignments))
        answer = await receive_async(ours)
        if isinstance(answer, Exception):
            raise answer

    async def stop(self) -> None:
        """Kill every worker, also busy ones. Safe to call twice."""
        self._stopped = True
        for worker in [*self._idle, *self._busy]:
            worker.kill()
        self._idle.clear()
        self._stop_fork_server()

    def _stop_fork_server(self) -> None:
        fork_server, self._fork_server = self._fork_server, None
        control, self._control = self._control, None
        if control is not None:
            control.close()
        if fork_server is not None:
            fork_server.kill()
            fork_server.wait()

    async def run(self, job: str, *arguments: Any) -> Any:
        """Run a method of `Jobs` in a worker: return its result or raise its error.

        Raises ServiceError: 504 if it takes too long, 500 if the process died.
        """
        async with self._slots:
            worker = self._idle.pop() if self._idle else await self._new_worker()
            self._busy.add(worker)
            completed = False
            try:
                async with asyncio.timeout(self._seconds):
                    succeeded, result = await exchange(worker.reader, worker.writer, (job, arguments))
                completed = True
            except TimeoutError:
                message = f"Reading the request took longer than {self._seconds:g} seconds. Send less text."
                raise ServiceError(504, "task_timeout", message, headers=NO_RETRY) from None
            except _CONNECTION_LOST:
                message = "The worker process that handled this request died. Send less text."
                raise ServiceError(500, "task_died", message, headers=NO_RETRY) from None
            finally:
                self._busy.discard(worker)
                if completed and not self._stopped:
                    self._idle.append(worker)
                else:
                    worker.kill()
        if succeeded:
            return result
        raise result

    async def _new_worker(self) -> _Worker:
        """Return a new worker. If the caller is cancelled, keep the worker for the next job."""
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
        """Fork a worker; restart the fork server first if it died."""
        ours, theirs = socket.socketpair()
        async with self._forking:
            if self._stopped:
                raise KitError("The service is stopping.")
            try:
                pid = await self._request_fork(theirs)
            except _CONNECTION_LOST:
                self._stop_fork_server()
                await self.start()
                pid = await self._request_fork(theirs)
            finally:
                theirs.close()
        reader, writer = await asyncio.open_connection(sock=ours, limit=_READ_BUFFER)
        return _Worker(pid, reader, writer)

    async def _request_fork(self, theirs: socket.socket) -> int:
        if self._control is None:
            raise EOFError
        socket.send_fds(self._control, [b"+"], [theirs.fileno()])
        answer = await receive_exactly_async(self._control, 8)
        return int.from_bytes(answer, "big")
