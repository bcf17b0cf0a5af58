"""Runs the code blocks of a page in order, as a reader would, in a folder of its own."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.docs.blocks import RUNNABLE, Block

ROOT = Path(__file__).parents[2]
TUTORIAL = "docs/write-your-own-template.md"
PYTHON = "docs/guides/python.md"
"""These two pages are executed by test_tutorial.py and test_python_page.py, which look at what they leave behind."""
FRONT = "README.md"
"""The front page is executed by tests/e2e/test_wheel.py, in the project that the demo made with its first commands."""
_TAIL = 4000
_PATIENCE_S = 900


def pages() -> dict[str, Path]:
    """Return the pages whose commands are executed, by their path in the repository."""
    own = ("templates/*/README.md", "templates/*/FIGURES.md", "templates/*/DETAILS.md")
    patterns = ("README.md", "CONTRIBUTING.md", "docs/**/*.md", *own)
    return {path.relative_to(ROOT).as_posix(): path for pattern in patterns for path in sorted(ROOT.glob(pattern))}


class PageError(AssertionError):
    """A block did not do what the page says; the message holds its output."""


class PageRun:
    """One reader's session: the folder and the exported variables pass from block to block."""

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self._state = folder / ".session"
        self._state.mkdir()
        (self._state / "cwd").write_text(str(folder / "work"))
        (folder / "work").mkdir()
        self._environment = {**_reader(folder), **(environment or {})}
        self._running: list[subprocess.Popen[bytes]] = []

    def execute(self, blocks: Iterable[Block]) -> None:
        """Run every block that can run; raise PageError for the first that fails."""
        for block in blocks:
            if block.title:
                self._save(block)
                continue
            if block.language not in RUNNABLE or block.not_run or block.part_of:
                continue
            if block.until is not None:
                self._start(block, block.until)
            else:
                self._finish(block)

    def stop(self) -> None:
        """End what was left running, the last one started first."""
        for process in reversed(self._running):
            _end(process)
        self._running.clear()

    def _save(self, block: Block) -> None:
        """Save a block as the file of its title, in the folder that the reader is in, or edit that file."""
        assert block.title is not None
        file = Path((self._state / "cwd").read_text().strip()) / block.title
        text = edited(file.read_text(encoding="utf-8"), block) if block.language == "diff" else block.text
        file.write_text(text, encoding="utf-8")

    def _finish(self, block: Block) -> None:
        log = self._log(block)
        with log.open("wb") as output:
            process = self._spawn(block, output.fileno())
            self._running.append(process)
            try:
                code = process.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:
                raise PageError(f"{block.place}: not done after {_PATIENCE_S} s.\n{_tail(log)}") from None
            self._running.remove(process)
        if code not in block.codes:
            raise PageError(f"{block.place}: ended with {code}.\n{block.script}\n{_tail(log)}")

    def _start(self, block: Block, text: str) -> None:
        log = self._log(block)
        with log.open("wb") as output:
            process = self._spawn(block, output.fileno())
        self._running.append(process)
        limit = time.monotonic() + _PATIENCE_S
        while text not in log.read_text(errors="replace"):
            if process.poll() is not None:
                raise PageError(f"{block.place}: ended with {process.returncode} before '{text}'.\n{_tail(log)}")
            if time.monotonic() > limit:
                raise PageError(f"{block.place}: no '{text}' after {_PATIENCE_S} s.\n{_tail(log)}")
            time.sleep(0.1)

    def _spawn(self, block: Block, output: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["bash", "-c", self._script(block)],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def _script(self, block: Block) -> str:
        """Shell that takes the session up where the last block left it, and leaves it for the next."""
        state = shlex.quote(str(self._state))
        take_up = f'[ ! -f {state}/variables ] || . {state}/variables\ncd "$(cat {state}/cwd)"'
        leave = f"trap 'pwd > {state}/cwd; export -p > {state}/variables' EXIT" if block.until is None else ""
        if block.language == "python":
            script = self._state / "block.py"
            script.write_text(block.script)
            return f"{take_up}\n{shlex.quote(sys.executable)} {shlex.quote(str(script))}\n"
        return f"{take_up}\n{leave}\nset -euo pipefail\nset -x\n{block.script}"

    def _log(self, block: Block) -> Path:
        return self._state / f"{block.line}.log"


@contextmanager
def page_run(folder: Path, environment: Mapping[str, str] | None = None) -> Iterator[PageRun]:
    """Open a session; whatever it started is stopped at the end."""
    run = PageRun(folder, environment)
    try:
        yield run
    finally:
        run.stop()


def edited(text: str, block: Block) -> str:
    """Return a file's text with a diff applied. Raises PageError where its old lines are not there exactly once."""
    lines = block.text.splitlines(keepends=True)
    old = "".join(line[1:] for line in lines if line[0] != "+")
    new = "".join(line[1:] for line in lines if line[0] != "-")
    if text.count(old) != 1:
        raise PageError(f"{block.place}: {block.title} has these lines {text.count(old)} times.\n{old}")
    return text.replace(old, new)


def left_out(found: Sequence[Block]) -> list[Block]:
    """Return the blocks that a page says cannot be run."""
    return [block for block in found if block.language in RUNNABLE and block.not_run]


def _reader(folder: Path) -> dict[str, str]:
    """The reader's environment: this Python's commands first, a home of its own, no model hub."""
    commands = Path(sys.executable).parent
    shown = os.environ | {"HOME": str(folder), "HF_HUB_OFFLINE": "1", "COLUMNS": "100"}
    path = [str(commands), os.environ["PATH"]]
    if not (commands / "kit").exists():  # run from a checkout that is not installed
        shims = folder / ".bin"
        shims.mkdir()
        for name in ("kit", "domainkit"):
            (shims / name).write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m kit "$@"\n')
            (shims / name).chmod(0o755)
        path.insert(0, str(shims))
        shown["PYTHONPATH"] = str(ROOT)
    return {**shown, "PATH": os.pathsep.join(path)}


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the process and its children to end; insist after ten seconds."""
    for order in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, order)
        except ProcessLookupError:
            break
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            continue
        break
    process.wait()


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-_TAIL:]
