"""Load the bundles once, then fork workers: python -m serving.workers.fork_server DESCRIPTOR PARENT_PID.

The process has one thread, so forking is safe; a killed worker is replaced within milliseconds. The process and its
workers end when the service ends, even if the service is killed.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
from contextlib import suppress
from typing import Any, NoReturn

from kit.errors import InputError, KitError, Refused
from kit.task import UnreadableAnswer
from serving.errors import ServiceError
from serving.observability.stack import safe_trace
from serving.workers.jobs import Jobs
from serving.workers.wire import encode, receive

_SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG


class UnexpectedJobError(Exception):
    """A job raised an unexpected exception; the message says where, without the exception's own message."""

    safe = True


def end_with_parent(parent: int) -> None:
    """Kill this process when its parent ends, even by SIGKILL."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def main() -> None:
    """Load the bundles, then fork a worker for each file descriptor received, until the service ends."""
    control = socket.socket(fileno=int(sys.argv[1]))
    end_with_parent(int(sys.argv[2]))
    try:
        jobs = Jobs(receive(control))
    except Exception as error:
        control.sendall(encode(_picklable(error)))
        return
    control.sendall(encode(None))
    while True:
        _, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if not descriptors:
            os.killpg(
                0, signal.SIGKILL
            )  # the service ended: kill this process and its workers, which form one process group
        _reap()
        pid = _fork(control, jobs, descriptors[0])
        os.close(descriptors[0])
        control.sendall(pid.to_bytes(8, "big"))


def _reap() -> None:
    """Reap the workers that ended."""
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
    """Run jobs one after the other; send the result of each, or the exception that it raised."""
    try:
        while True:
            name, arguments = receive(service)
            service.sendall(encode(_outcome(jobs, name, arguments)))
    except (EOFError, OSError):
        os._exit(0)


def _outcome(jobs: Jobs, name: str, arguments: tuple[Any, ...]) -> tuple[bool, Any]:
    try:
        return True, getattr(jobs, name)(*arguments)
    except Exception as error:
        return False, _picklable(error)


def _picklable(error: Exception) -> Exception:
    """Return an exception that the service can unpickle; an unexpected one becomes its traceback.

    A task's own exception classes do not exist in the service, so they become their base class.
    """
    if isinstance(error, ServiceError):
        return error
    if isinstance(error, UnreadableAnswer):
        return UnreadableAnswer(str(error))
    for kind in (InputError, Refused, KitError):
        if isinstance(error, kind):
            return kind(error.problems)
    return UnexpectedJobError(safe_trace(error))


if __name__ == "__main__":
    # Import the module by its name: a class of __main__ cannot be unpickled in the service.
    from serving.workers import fork_server

    fork_server.main()
