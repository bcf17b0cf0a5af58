"""Run the command line as a user does: in its own process, in the project's folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

READY_SECONDS = 240


def kit(*words: str, cwd: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a command and check its exit code."""
    done = subprocess.run([sys.executable, "-m", "kit", *words], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == code, f"kit {' '.join(words)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def kit_json(*words: str, cwd: Path, code: int = 0) -> dict[str, Any]:
    """Run a command with --json and return its JSON object."""
    return dict(json.loads(kit(*words, "--json", cwd=cwd, code=code).stdout))


@dataclass
class Service:
    """A running `kit serve`: its process, and the first JSON line that it printed."""

    process: subprocess.Popen[str]
    status: dict[str, Any]

    def interrupt(self) -> None:
        """Press Ctrl-C: a terminal sends SIGINT to every process of the command."""
        os.killpg(self.process.pid, signal.SIGINT)

    @property
    def url(self) -> str:
        return str(self.status["url"])


@contextmanager
def serving(*words: str, cwd: Path) -> Iterator[Service]:
    """Start `kit serve` on a free port, wait for its first line, and stop it at the end of the block."""
    command = [sys.executable, "-m", "kit", "serve", "--port", "0", "--json", *words]
    process = subprocess.Popen(
        command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    drain = threading.Thread(target=process.stderr.read, daemon=True)
    drain.start()
    watchdog = threading.Timer(READY_SECONDS, process.kill)
    watchdog.start()
    try:
        first = process.stdout.readline()
        watchdog.cancel()
        yield Service(process, json.loads(first or "{}"))
    finally:
        watchdog.cancel()
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        process.stdout.close()
