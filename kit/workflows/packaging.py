"""Package a bundle: write the build context of a container image that serves it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Target = Literal["cpu", "cuda", "slim"]


@dataclass(frozen=True)
class Package:
    """A build context: its folder, the bundle in it, and the two commands that make and run the image.

    `build` and `run` are words of a command line. `run` mounts the folder `project` of the context, unless the bundle
    is part of the image.
    """

    path: Path
    bundle: str
    target: Target
    baked: bool
    status: str
    build: tuple[str, ...]
    run: tuple[str, ...]


def plan_package(
    project: str | Path = ".",
    bundle: str = "latest",
    *,
    out: str | Path | None = None,
    target: Target = "cpu",
    baked: bool = False,
    base: str | Path | None = None,
    expose_preview: bool = False,
) -> Package:
    """Make the checks that `package` makes, and return what it would write; nothing is written. Raises as it does."""
    from kit.workflows.steps.packaging import plan

    return plan(Path(project), bundle, out, target, baked, Path(base) if base else None, expose_preview).package


def package(
    project: str | Path = ".",
    bundle: str = "latest",
    *,
    out: str | Path | None = None,
    target: Target = "cpu",
    baked: bool = False,
    base: str | Path | None = None,
    expose_preview: bool = False,
) -> Package:
    """Write a build context for an image that serves a bundle, and return it.

    The context goes to `out` (default: a folder here, named after the bundle). `baked` puts the bundle, and the base of
    an adapter, into the image; otherwise they are mounted. `base` is the folder of that base, where it has moved since
    training. A container is reached from other machines: `expose_preview` allows a bundle with failed gates.

    Raises InputError for wrong arguments and for a folder that exists, Refused if a file or the base differs from what
    was measured, or if the bundle is only a preview.
    """
    from kit.workflows.steps.packaging import plan, write

    made = plan(Path(project), bundle, out, target, baked, Path(base) if base else None, expose_preview)
    write(made)
    return made.package
