"""Builds the images with buildah, which needs no daemon, on a base that debootstrap makes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SUITE = "bookworm"
_PACKAGES = "python3,python3-venv,ca-certificates"
_PIP_VARIABLES = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_CERT")
_ENVIRONMENT = {"BUILDAH_ISOLATION": "chroot", "STORAGE_DRIVER": "vfs"}


@dataclass(frozen=True)
class Image:
    """A built image: its name, and what `docker run` would take from it."""

    name: str
    entrypoint: tuple[str, ...]
    environment: dict[str, str]
    user: str
    folder: str
    stop_signal: str
    health: tuple[str, ...]


def make_base(folder: Path, name: str) -> str:
    """Make a base image with Debian's Python from a folder that debootstrap fills; return its name."""
    root = folder / "base"
    _run("debootstrap", "--variant=minbase", f"--include={_PACKAGES}", SUITE, str(root), shown=False)
    container = buildah("from", "scratch")
    buildah("add", "--quiet", container, str(root), "/")
    buildah("commit", "--quiet", "--rm", container, name)
    return name


def build(context: Path, target: str, base: str, name: str) -> Image:
    """Build one target; pip's own variables reach the build, with the folders that they name."""
    arguments = ["--build-arg", f"BASE={base}"]
    for variable in _PIP_VARIABLES:
        if value := os.environ.get(variable):
            arguments += ["--build-arg", f"{variable}={value}"]
    volumes = [word for place in sorted(_local_folders()) for word in ("--volume", f"{place}:{place}:ro")]
    tag = ["--format", "docker", "--target", target, "--tag", name]
    buildah("build", *tag, *arguments, *volumes, str(context), shown=False)
    return _inspected(name)


def _local_folders() -> set[str]:
    """Return the folders on this machine that pip's variables name."""
    words = [word for name in _PIP_VARIABLES for word in os.environ.get(name, "").split()]
    places = [Path(word.removeprefix("file://")) for word in words]
    return {
        str(place if place.is_dir() else place.parent) for place in places if place.is_absolute() and place.exists()
    }


def _inspected(name: str) -> Image:
    config = json.loads(buildah("inspect", "--type", "image", name))["Docker"]["config"]
    return Image(
        name=name,
        entrypoint=tuple(config["Entrypoint"]),
        environment=dict(line.split("=", 1) for line in config["Env"]),
        user=config["User"],
        folder=config["WorkingDir"],
        stop_signal=config["StopSignal"],
        health=tuple(config["Healthcheck"]["Test"]),
    )


@contextmanager
def root_of(image: Image) -> Iterator[Path]:
    """Give the folder with all files of an image."""
    container = buildah("from", image.name)
    try:
        yield Path(buildah("mount", container))
    finally:
        buildah("umount", container)
        buildah("rm", container)


def buildah(*words: str, shown: bool = True) -> str:
    """Run buildah, and return what it prints; without `shown`, its output goes to stderr."""
    return _run("buildah", *words, shown=shown)


def _run(*words: str, shown: bool) -> str:
    where = subprocess.PIPE if shown else sys.stderr.fileno()
    done = subprocess.run(words, stdout=where, text=True, check=True, env={**os.environ, **_ENVIRONMENT})
    return (done.stdout or "").strip()
