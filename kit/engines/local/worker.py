"""One thread that owns the model: requests wait in a queue, and similar ones are batched."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from typing import Any

from kit.engines.base import Delta, Generation
from kit.errors import KitError
from kit.task import Completion

MAX_ROWS = 128
MAX_TOKENS = 32_768
_BATCHING_WAIT = 0.003  # seconds to wait for more requests, so that they share a batch


@dataclass(eq=False)
class Generating:
    """A waiting generation; a stream listens through `on_delta`, called on the worker's thread."""

    request: Generation
    on_delta: Callable[[Delta], None] | None = None
    future: Future[Completion] = field(default_factory=Future)

    @property
    def adapter(self) -> str | None:
        """The adapter of the request."""
        return self.request.adapter

    @property
    def length(self) -> int:
        """Tokens of the prompt."""
        return len(self.request.ids)

    @property
    def room(self) -> int:
        """Most tokens of the answer."""
        return self.request.sampling.max_tokens


@dataclass(eq=False)
class Scoring:
    """A waiting score."""

    ids: tuple[int, ...]
    adapter: str | None
    future: Future[tuple[float, ...]] = field(default_factory=Future)
    room: int = 0

    @property
    def length(self) -> int:
        """Tokens of the sequence."""
        return len(self.ids)


@dataclass(eq=False)
class Calling:
    """A call that needs the model alone, such as loading an adapter."""

    function: Callable[[], Any]
    future: Future[Any] = field(default_factory=Future)


Job = Generating | Scoring | Calling


def settle(job: Job, result: Any) -> None:
    """Set the result or the exception of a job, unless its caller has left."""
    try:
        if isinstance(result, BaseException):
            job.future.set_exception(result)
        else:
            job.future.set_result(result)
    except InvalidStateError:
        pass


def choose_batch(waiting: Sequence[Job]) -> list[Job]:
    """Choose the next batch: the oldest job, and the jobs nearest to it in length that can join it."""
    oldest = waiting[0]
    if isinstance(oldest, Calling):
        return [oldest]
    alike = [job for job in waiting if isinstance(job, type(oldest)) and job.adapter == oldest.adapter]
    batch: list[Job] = []
    longest = room = 0
    for job in sorted(alike, key=lambda job: abs(job.length - oldest.length)):
        longest, room = max(longest, job.length), max(room, job.room)
        if batch and (len(batch) == MAX_ROWS or (longest + room) * (len(batch) + 1) > MAX_TOKENS):
            break
        batch.append(job)
    return batch


def choose_joining(waiting: Sequence[Job], adapter: str | None, rows: int, width: int, room: int) -> list[Generating]:
    """Choose the jobs that join a running batch: from the front of the queue, so that no other kind waits for ever.

    The batch has so many rows, whose caches hold `width` tokens and may grow by `room`.
    """
    joining: list[Generating] = []
    for job in waiting:
        if not isinstance(job, Generating) or job.adapter != adapter:
            break
        width, room, rows = max(width, job.length), max(room, job.room), rows + 1
        if rows > MAX_ROWS or (width + room) * rows > MAX_TOKENS:
            break
        joining.append(job)
    return joining


class Worker:
    """The thread. `work` gets batches of one kind and settles every job; an exception fails all that run."""

    def __init__(self, work: Callable[[list[Any]], None]) -> None:
        self._work = work
        self._waiting: list[Job] = []
        self._running: list[Job] = []
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="kit-local-engine", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the worker still accepts jobs."""
        return self._thread.is_alive() and not self._stopping

    def submit(self, job: Job) -> None:
        """Queue a job.

        Raises KitError if the worker has stopped.
        """
        with self._changed:
            if not self.alive:
                raise KitError("The engine is not running.")
            self._waiting.append(job)
            self._changed.notify()

    def call(self, function: Callable[[], Any]) -> Future[Any]:
        """Run a function between batches."""
        job = Calling(function)
        self.submit(job)
        return job.future

    def stop(self) -> None:
        """Fail all running and waiting jobs, and end the thread."""
        with self._changed:
            self._stopping = True
            for job in [*self._running, *self._waiting]:
                settle(job, KitError("The engine was stopped."))
            self._changed.notify()
        self._thread.join()

    def join(self, adapter: str | None, rows: int, width: int, room: int) -> list[Generating]:
        """Take the waiting jobs that can join the running batch (`choose_joining`); `work` settles them too."""
        with self._changed:
            if self._stopping or not self._waiting:
                return []
            self._waiting = [job for job in self._waiting if not job.future.done()]
            joining = choose_joining(self._waiting, adapter, rows, width, room)
            self._waiting = self._waiting[len(joining) :]
            self._running = [*self._running, *joining]
            return joining

    def _run(self) -> None:
        while batch := self._next():
            try:
                self._do(batch)
            except Exception as error:
                for job in self._running:
                    settle(job, error)

    def _do(self, batch: list[Job]) -> None:
        if isinstance(batch[0], Calling):
            settle(batch[0], batch[0].function())
        else:
            self._work(batch)

    def _next(self) -> list[Job]:
        """Wait for a batch; an empty list means: stop."""
        with self._changed:
            self._running = []
            while not self._stopping:
                self._waiting = [job for job in self._waiting if not job.future.done()]
                if not self._waiting:
                    self._changed.wait()
                elif not self._more_jobs_arrived():
                    self._running = choose_batch(self._waiting)
                    self._waiting = [job for job in self._waiting if job not in self._running]
                    break
            return self._running

    def _more_jobs_arrived(self) -> bool:
        """Wait a moment; return whether more jobs arrived."""
        before = len(self._waiting)
        return before < MAX_ROWS and self._changed.wait(_BATCHING_WAIT) and len(self._waiting) > before
