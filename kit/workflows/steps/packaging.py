"""The steps of packaging: verify the bundle, choose the commands, copy the files of the build context."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import kit
from kit.bundle.attestation import status_of, status_sentence
from kit.bundle.store import Bundle, Store
from kit.bundle.verify import verify_files
from kit.errors import InputError
from kit.project.project import Project
from kit.project.template import RECIPE_FILE
from kit.workflows.packaging import Package, Target
from kit.workflows.steps.engines import sealed_base
from serving.models.catalogue import Deployed, check_exposure
from serving.settings import Settings

_PROJECT = "project"
_USER = "10001:10001"  # the user of the images
_LEFT_OUT = shutil.ignore_patterns("__pycache__", ".*_cache", "tests", "test_*.py", "*.egg-info")
_BAKED = """
# The bundle is part of the image.
FROM {target} AS baked
COPY {project} /bundles
"""
_READ_ONLY = ("--read-only", "--user", _USER, "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
_WRITABLE = ("--tmpfs", "/tmp", "--volume", "domainkit-cache:/cache", "--shm-size", "1g")


@dataclass(frozen=True)
class Plan:
    """A package to write: the project and the bundle that it takes, and the folder of the base that goes with it."""

    package: Package
    root: Path
    bundle: Bundle
    base: Path | None


@dataclass(frozen=True)
class Mounted:
    """The folder of a base to mount at /base, and where the base is in it."""

    source: Path
    inside: Path


def plan(
    project: Path,
    ref: str,
    out: str | Path | None,
    target: Target,
    baked: bool,
    base: Path | None,
    expose_preview: bool,
) -> Plan:
    """Verify the bundle, its status and its base, and return what is to be written."""
    root = Project.find(project).root
    store = Store(root)
    bundle = store.get(ref)
    attestations = tuple(store.attestations(bundle.digest))
    path = _free(Path(out) if out is not None else Path(f"{bundle.seal.name}-{bundle.digest[:12]}"))
    verify_files(bundle)
    exposed = Settings(host="0.0.0.0", expose_preview=expose_preview)
    check_exposure(exposed, [Deployed(bundle, status_of(attestations), attestations)])
    folder = None if target == "slim" else _base_folder(bundle, root, base)
    image = f"{bundle.seal.name}:{bundle.digest[:12]}"
    command = _served(bundle, folder, target, baked, expose_preview)
    package = Package(
        path=path,
        bundle=bundle.digest,
        target=target,
        baked=baked,
        status=status_sentence(attestations),
        build=("docker", "build", "--target", "baked" if baked else target, "--tag", image, str(path)),
        run=(*_started(path, folder, target, baked), image, *command),
    )
    return Plan(package, root, bundle, folder)


def _free(path: Path) -> Path:
    path = path.resolve()
    if path.exists():
        raise InputError("There is already something there, and files are not overwritten.", str(path), "Give --out.")
    if not path.parent.is_dir():
        raise InputError("The folder above it does not exist.", str(path), "Create it first.")
    return path


def _base_folder(bundle: Bundle, root: Path, given: Path | None) -> Path | None:
    """Return the verified folder of an adapter's base; None for merged weights, and for `nano`, which is in the kit."""
    if bundle.seal.form == "merged":
        if given:
            raise InputError("A merged bundle is served without its base.", "--base", "Leave out --base.")
        return None
    folder = sealed_base(bundle, root, given).folder
    return None if folder.is_relative_to(Path(kit.__file__).parent) else folder


def _started(path: Path, base: Path | None, target: Target, baked: bool) -> tuple[str, ...]:
    """Return the words that start a container: a read-only root, a numeric user, the mounts and the port."""
    words = ["docker", "run", "--rm", "--init", *_READ_ONLY, *_WRITABLE]
    if not baked:
        words += ["--volume", f"{path / _PROJECT}:/bundles:ro"]
        words += [] if base is None else ["--volume", f"{_mounted(base).source}:/base:ro"]
    return (*words, *(["--gpus", "all"] if target == "cuda" else []), "--publish", "127.0.0.1:8000:8000")


def _served(bundle: Bundle, base: Path | None, target: Target, baked: bool, expose_preview: bool) -> list[str]:
    """Return the words for `kit serve`, the entry point of the image.

    The container's port is published to this machine only, so that it may be called without a key; keys win.
    """
    words = [bundle.digest, "--host", "0.0.0.0", "--expose-without-keys"]
    if base is not None:
        words += ["--base", "/bundles/base" if baked else str(Path("/base") / _mounted(base).inside)]
    if target == "slim":
        words += ["--engine", "upstream", "--url", "http://HOST:PORT"]
    return [*words, *(["--expose-preview"] if expose_preview else [])]


def _mounted(base: Path) -> Mounted:
    """Return the folder to mount so that links inside the base lead to their files, as in a cache of downloads."""
    real = [str(file.resolve()) for file in base.rglob("*") if file.is_file()]
    source = Path(os.path.commonpath([str(base), *real]))
    return Mounted(source, base.relative_to(source))


def write(made: Plan) -> None:
    """Write the build context. If this fails or is interrupted, no files are left behind."""
    target = made.package.path
    staging = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        for name, source in _sources().items():
            _copy(source, staging / name)
        _copy_project(made, staging / _PROJECT)
        if made.package.baked:
            text = _BAKED.format(target=made.package.target, project=_PROJECT)
            with (staging / "Dockerfile").open("a", encoding="utf-8") as file:
                file.write(text)
        staging.chmod(0o755)
        staging.rename(target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _sources() -> Mapping[str, Path]:
    """Return the files that build an image, by their name in the context: in a checkout or in an installed package."""
    package = Path(kit.__file__).parent
    installed = package / "container"
    files = installed if installed.is_dir() else package.parent
    templates = package / "templates" if installed.is_dir() else package.parent / "templates"
    names = (".dockerignore", "Dockerfile", "LICENSE", "README.md", "pyproject.toml", "requirements")
    folders = {"kit": package, "serving": package.parent / "serving", "templates": templates}
    return {**{name: files / name for name in names}, **folders}


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=_LEFT_OUT)
        for added in ("container", "templates") if target.name == "kit" else ():
            shutil.rmtree(target / added, ignore_errors=True)
    else:
        shutil.copyfile(source, target)


def _copy_project(made: Plan, folder: Path) -> None:
    """Copy what `kit serve` reads: the recipe, the bundle, its attestations, and a base that goes into the image."""
    digest = made.bundle.digest
    folder.mkdir()
    store = Store(folder)
    with store.staging() as staging:
        shutil.copytree(made.bundle.folder, staging, dirs_exist_ok=True)
        store.add(staging)
    shutil.copyfile(made.root / RECIPE_FILE, folder / RECIPE_FILE)
    attestations = made.root / "attestations" / digest
    if attestations.is_dir():
        shutil.copytree(attestations, folder / "attestations" / digest)
    if made.package.baked and made.base is not None:
        shutil.copytree(made.base, folder / "base")
