"""Runs a program and its tests in a process of its own, with limits on time, memory and what it may touch.

The process may not start others, open sockets, or change files outside its own temporary folder, which is removed
afterwards. This stops accidents, such as an endless loop or a deleted folder. It is no prison for code that is written
to break out: run code that you do not trust in a container without a network.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from kit.errors import InputError

Reason = Literal["passed", "failed", "time", "memory", "forbidden"]

# What runs first in the new process: it sets the limits, then a hook that no later code can remove, then it runs.
_GUARD = r"""
import json, os, resource, sys

given = json.loads(sys.stdin.read())
answer = os.dup(1)
null = os.open(os.devnull, os.O_RDWR)
for number in (0, 1, 2):
    os.dup2(null, number)
for name, most in given["limits"].items():
    resource.setrlimit(getattr(resource, name), (most, most))

FOLDER = os.path.realpath(given["folder"]) + os.sep
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
BARRED = (
    "os.fork", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "os.startfile", "os.kill", "os.putenv",
    "subprocess.", "socket.", "ctypes.", "signal.", "resource.setrlimit", "pty.", "_thread.start",
    "sys._current_frames", "gc.", "mmap.", "fcntl.", "syslog.", "ftplib.", "http.", "urllib.", "webbrowser.",
)
CHANGES = (
    "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.chmod", "os.chown", "os.link", "os.symlink", "os.truncate",
    "os.utime", "os.setxattr", "os.removexattr", "os.chflags", "os.lockf", "shutil.", "tempfile.", "sqlite3.connect",
)
MODULES = {"ctypes", "_ctypes", "_posixsubprocess", "_socket", "resource", "_testcapi", "multiprocessing"}
real = os.path.realpath
seen = []


def outside(path):
    if isinstance(path, (bytes, bytearray)):
        path = os.fsdecode(bytes(path))
    return isinstance(path, str) and not (real(path) + os.sep).startswith(FOLDER)


def deny(what):
    seen.append(what)
    raise PermissionError(f"forbidden: {what}")


def hook(event, args):
    if event == "open":
        path, _, flags = args
        if flags & WRITES and outside(path):
            deny("writing a file outside the folder")
    elif event == "import":
        if args[0] in MODULES:
            deny(f"import {args[0]}")
    elif event.startswith(BARRED):
        deny(event)
    elif event.startswith(CHANGES) and any(outside(each) for each in args):
        deny(event)


def finish(reason):
    os.write(answer, json.dumps({"token": given["token"], "reason": reason}).encode())
    os._exit(0)


os.chdir(given["folder"])
code = None
try:
    code = compile(given["program"], "program.py", "exec")
    sys.addaudithook(hook)
    exec(code, {"__name__": "program", "__builtins__": __builtins__})
    reason = "passed"
except MemoryError:
    reason = "memory"
except BaseException:
    reason = "failed"
finish("forbidden" if seen else reason)
"""


@dataclass(frozen=True)
class Limits:
    """How much a program may use. The wall time is for programs that wait instead of computing."""

    cpu_seconds: int = 5
    wall_seconds: float = 10.0
    memory_bytes: int = 512 * 1024**2
    file_bytes: int = 1024**2

    def by_name(self) -> dict[str, int]:
        """The limits by the names of the operating system."""
        return {
            "RLIMIT_CPU": self.cpu_seconds,
            "RLIMIT_AS": self.memory_bytes,
            "RLIMIT_FSIZE": self.file_bytes,
            "RLIMIT_NPROC": 1,
            "RLIMIT_NOFILE": 32,
            "RLIMIT_CORE": 0,
        }


DEFAULT = Limits()


def run_tests(program: str, tests: str, limits: Limits = DEFAULT) -> Reason:
    """Run a program, then its tests, in a process of their own; "passed" if nothing was raised.

    A program that ends itself early has not passed. Raises InputError on a system without limits for processes.
    """
    if sys.platform == "win32":
        raise InputError("Tests run only where processes can be limited.", sys.platform, "Use Linux, macOS or WSL.")
    token = secrets.token_hex(16)
    with tempfile.TemporaryDirectory(prefix="tests-") as folder:
        given = {
            "program": f"{program}\n\n{tests}\n",
            "folder": folder,
            "token": token,
            "limits": limits.by_name(),
        }
        return _run(json.dumps(given).encode(), folder, token, limits.wall_seconds)


def pass_at_k(samples: int, passed: int, k: int) -> float:
    """Return the unbiased estimate of pass@k from so many samples of a task (Chen et al. 2021).

    It is 1 - C(samples - passed, k) / C(samples, k), as a product that never overflows.
    """
    if not (0 <= passed <= samples and 1 <= k <= samples):
        raise ValueError("k is from 1 to the number of samples, and passed from 0 to it")
    if samples - passed < k:
        return 1.0
    failing = 1.0
    for size in range(samples - passed + 1, samples + 1):
        failing *= 1.0 - k / size
    return 1.0 - failing


def _run(given: bytes, folder: str, token: str, wall_seconds: float) -> Reason:
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _GUARD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        env={"PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": folder, "HOME": folder},
        start_new_session=True,
    )
    try:
        written, _ = process.communicate(given, timeout=wall_seconds)
    except subprocess.TimeoutExpired:
        return "time"
    finally:
        _end(process)
    if process.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        return "time"
    return _reason(written, token)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process and all that it may have started, and collect it."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with suppress(OSError):
                stream.close()


def _reason(written: bytes, token: str) -> Reason:
    """Read what the process reported. Without its token, the program ended before its tests did."""
    try:
        said = json.loads(written)
    except ValueError:
        return "failed"
    if not isinstance(said, dict) or said.get("token") != token:
        return "failed"
    reason: Reason = said["reason"]
    return reason
