"""`kit` for the sessions of pages: a training or an evaluation that was done before is not done again.

Several pages train the same project. Training is exact: the same project gives the same bytes. So the first session
that trains a project keeps what the command wrote and printed, and another session with an equal project gets a copy.
The demo in tests/e2e/test_wheel.py trains and evaluates for itself, from the wheel.

    python -m tests.docs.remembered FOLDER WORDS...
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

_LONG = ("train", "eval")
_NOT_INPUT = {"runs", "evaluations", "attestations", "aliases", "__pycache__", ".pytest_cache"}


def main(folder: Path, words: list[str]) -> int:
    """Run a command of the kit in the current folder, or repeat what it did in an equal one."""
    if not words or words[0] not in _LONG or "--help" in words:
        return _run(words).returncode
    project = Path.cwd()
    memory = folder / _key(project, words)
    if not memory.is_dir():
        before = _stamps(project)
        done = _run(words, capture=True)
        if done.returncode == 0:
            _keep(project, before, memory, done)
        return _print(done.returncode, done.stdout, done.stderr)
    shutil.copytree(memory / "files", project, dirs_exist_ok=True)
    said = json.loads((memory / "said.json").read_text())
    return _print(0, said["stdout"], said["stderr"])


def _run(words: list[str], capture: bool = False) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kit", *words]
    return subprocess.run(command, capture_output=capture, text=True, check=False)


def _print(code: int, stdout: str, stderr: str) -> int:
    print(stderr, end="", file=sys.stderr)
    print(stdout, end="")
    return code


def _keep(
    project: Path, before: dict[str, tuple[int, int]], memory: Path, done: subprocess.CompletedProcess[str]
) -> None:
    """Copy the files that a command made or changed, and what it printed."""
    staging = memory.with_suffix(".new")
    for name, stamp in _stamps(project).items():
        if before.get(name) != stamp:
            target = staging / "files" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(project / name, target)
    (staging / "said.json").write_text(json.dumps({"stdout": done.stdout, "stderr": done.stderr}))
    staging.rename(memory)


def _stamps(project: Path) -> dict[str, tuple[int, int]]:
    """Return size and time of change of every file."""
    found = {}
    for path in project.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            status = path.stat()
            found[path.relative_to(project).as_posix()] = (status.st_size, status.st_mtime_ns)
    return found


def _key(project: Path, words: list[str]) -> str:
    """Return a hash of the words and of every file that the command can read."""
    digest = hashlib.sha256("\0".join(words).encode())
    for path in sorted(project.rglob("*")):
        name = path.relative_to(project)
        if path.is_file() and not _NOT_INPUT & {*name.parts}:
            digest.update(f"\0{name.as_posix()}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
