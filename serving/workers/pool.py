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
class _Server:
    """A fork server: its process, our end of its socket, and its generation."""

    process: subprocess.Popen[bytes]
    control: socket.socket
    generation: int

    def stop(self) -> None:
        self.control.close()
        self.process.kill()
        self.process.wait()


@dataclass(frozen=True)
class _Worker:
    pid: int
    generation: int
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
        self._assignments: tuple[Assignment | None, ...] = tuple(assignments)
        self._seconds = seconds
        self._slots = asyncio.Semaphore(count)
        self._forking = asyncio.Lock()
        self._idle: list[_Worker] = []
        self._busy: set[_Worker] = set()
        self._server: _Server | None = None
        self._retired: list[_Server] = []
        self._generation = 0
        self._stopped = False

    async def start(self) -> None:
        """Start the fork server, which loads the bundles. Raises the error that loading raised."""
        self._server = await self._launch(self._assignments)
        self._generation = self._server.generation

    async def extend(self, assignment: Assignment) -> int:
        """Learn another bundle while jobs run; return its index. Raises the error that loading it raised.

        A new fork server loads all bundles. The old one ends with the last of its workers that is busy now.
        """
        assignments = (*self._assignments, assignment)
        launched = await self._launch(assignments)
        async with self._forking:
            self._assignments = assignments
            if self._server is not None:
                self._retired.append(self._server)
            self._server, self._generation = launched, launched.generation
        for worker in self._idle:
            worker.kill()
        self._idle.clear()
        self._stop_retired()
        return len(assignments) - 1

    def forget(self, index: int) -> None:
        """Load a bundle no more at the next start: nothing uses it, and its folder may be gone by then."""
        self._assignments = (*self._assignments[:index], None, *self._assignments[index + 1 :])

    def _stop_retired(self) -> None:
        """Stop the earlier fork servers that have no busy worker any more."""
        busy = {worker.generation for worker in self._busy}
        for server in [each for each in self._retired if each.generation not in busy]:
            self._retired.remove(server)
            server.stop()

    async def _launch(self, assignments: Sequence[Assignment | None]) -> _Server:
        """Start a fork server for some bundles. Raises the error that loading raised."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        command = [sys.executable, "-m", "serving.workers.fork_server", str(theirs.fileno()), str(os.getpid())]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        environment |= {"TOKENIZERS_PARALLELISM": "false"}
        with theirs:
            process = subprocess.Popen(
                command,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=2,  # to stderr: the output of a task is not output of the service
                env=environment,
                start_new_session=True,  # Ctrl-C in a terminal must reach only the service
            )
        server = _Server(process, ours, self._generation + 1)
        try:
            await asyncio.get_running_loop().sock_sendall(ours, encode(tuple(assignments)))
            answer = await receive_async(ours)
        except BaseException:
            server.stop()
            raise
        if isinstance(answer, Exception):
            server.stop()
            raise answer
        return server

    async def stop(self) -> None:
        """Kill every worker, also busy ones. Safe to call twice."""
        self._stopped = True
        for worker in [*self._idle, *self._busy]:
            worker.kill()
        self._idle.clear()
        self._stop_server()
        while self._retired:
            self._retired.pop().stop()

    def _stop_server(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.stop()

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
                if completed and not self._stopped and worker.generation == self._generation:
                    self._idle.append(worker)
                else:
                    worker.kill()
                self._stop_retired()
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
        if self._stopped or forking.result().generation != self._generation:
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
                self._stop_server()
                await self.start()
                pid = await self._request_fork(theirs)
            finally:
                theirs.close()
            generation = self._generation
        reader, writer = await asyncio.open_connection(sock=ours, limit=_READ_BUFFER)
        return _Worker(pid, generation, reader, writer)

    async def _request_fork(self, theirs: socket.socket) -> int:
        if self._server is None:
            raise EOFError
        socket.send_fds(self._server.control, [b"+"], [theirs.fileno()])
        answer = await receive_exactly_async(self._server.control, 8)
        return int.from_bytes(answer, "big")
