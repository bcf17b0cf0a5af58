"""A process that loads the bundles once and forks workers: python -m serving.workers.nursery DESCRIPTOR.

It has one thread, so a fork is safe, and a worker that was killed is replaced within milliseconds. It ends when the
service does, however that ends, and its workers end with it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
import traceback
from contextlib import suppress
from typing import Any, NoReturn

from kit.errors import InputError, KitError, Refused
from kit.task import UnreadableAnswer
from serving.errors import ServiceError
from serving.workers.jobs import Jobs
from serving.workers.wire import packed, receive

_SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG


class JobBroke(Exception):
    """A job raised what nobody foresaw; carries the traceback."""


def end_with_parent(parent: int) -> None:
    """Have this process killed when its parent ends, also by a signal that nobody can catch."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def main() -> None:
    """Load the bundles, then fork a worker for each descriptor that arrives, until the service is gone."""
    control = socket.socket(fileno=int(sys.argv[1]))
    end_with_parent(int(sys.argv[2]))
    try:
        jobs = Jobs(receive(control))
    except Exception as error:
        control.sendall(packed(_portable(error)))
        return
    control.sendall(packed(None))
    while True:
        _, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if not descriptors:
            os.killpg(0, signal.SIGKILL)  # the service is gone: this process and its workers, a group of their own
        _bury()
        pid = _fork(control, jobs, descriptors[0])
        os.close(descriptors[0])
        control.sendall(pid.to_bytes(8, "big"))


def _bury() -> None:
    """Collect the workers that have ended."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _fork(control: socket.socket, jobs: Jobs, descriptor: int) -> int:
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        end_with_parent(parent)
        control.close()
        _work(jobs, socket.socket(fileno=descriptor))
    return pid


def _work(jobs: Jobs, service: socket.socket) -> NoReturn:
    """Do one job after the other; each answer is the result, or the exception that it raised."""
    try:
        while True:
            name, arguments = receive(service)
            service.sendall(packed(_outcome(jobs, name, arguments)))
    except (EOFError, OSError):
        os._exit(0)


def _outcome(jobs: Jobs, name: str, arguments: tuple[Any, ...]) -> tuple[bool, Any]:
    try:
        return True, getattr(jobs, name)(*arguments)
    except Exception as error:
        return False, _portable(error)


def _portable(error: Exception) -> Exception:
    """Return an exception that the service can unpickle: of its own kinds, or the traceback of any other.

    A task's own exception classes exist in no other process, so they become the kind that they derive from.
    """
    if isinstance(error, ServiceError):
        return error
    if isinstance(error, UnreadableAnswer):
        return UnreadableAnswer(str(error))
    for kind in (InputError, Refused, KitError):
        if isinstance(error, kind):
            return kind(error.problems)
    return JobBroke("".join(traceback.format_exception(error)))


if __name__ == "__main__":
    # The module is imported under its own name, so that what it pickles can be found by it.
    from serving.workers import nursery

    nursery.main()
