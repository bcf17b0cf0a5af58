"""Train small bundles and start `kit serve` on them, for benches of the service."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from bench.shared.commands import start_kit
from kit.workflows import train

_STOP_SECONDS = 60


def train_bundles(folder: Path, forms: Sequence[str]) -> list[str]:
    """Train on a few documents, once for each form of a bundle; return the digests. The quality does not matter."""
    path = folder / "recipe.yaml"
    recipe = yaml.safe_load(path.read_text())
    small = {"data": {"limit_train": 48, "limit_validation": 8}}
    for form in forms:
        recipe["profiles"][form] = {**recipe["profiles"]["smoke"], **small, "bundle": {"form": form}}
    path.write_text(yaml.safe_dump(recipe, sort_keys=False))
    return [train(folder, profile=form).bundle for form in forms]


@contextmanager
def serving(folder: Path, bundle: str, engine: str, threads: int | None = None) -> Iterator[dict[str, Any]]:
    """Run `kit serve` on a free port; give its first JSON line, which has `ready` and `url`."""
    words = ["serve", bundle, "--port", "0", "--engine", engine, "--json"]
    words += [] if threads is None else ["--threads", str(threads)]
    process = start_kit(folder, *words)
    with stopping(process):
        assert process.stdout is not None
        yield json.loads(process.stdout.readline() or "{}")


@contextmanager
def stopping(process: subprocess.Popen[Any]) -> Iterator[None]:
    """Terminate a process at the end of the block, and kill it if it does not end in time."""
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
