"""Chooses the engine for some bundles, and the weights that it loads. Imports no engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

from kit.base import Base, BaseNotHere, find_base
from kit.bundle.store import Bundle
from kit.bundle.verify import verify_base
from kit.engines import Kind, default_kind
from kit.engines.base import Engine, EngineConfig
from kit.errors import InputError
from kit.system.files import file_digest
from kit.system.hashes import Digest


def sealed_base(bundle: Bundle, root: Path, given: Path | None = None, digest: Digest = file_digest) -> Base:
    """Return the base model that a bundle was tuned from, verified against its seal.

    `given` is its folder; without it, the seal says where the base is, and a relative path there starts at `root`.
    Raises InputError if the base cannot be found, Refused if its weights differ.
    """
    base = _given_base(given) if given else _named_base(bundle, root)
    verify_base(bundle, base, digest)
    return base


def _given_base(folder: Path) -> Base:
    if not folder.is_dir():
        raise InputError("There is no such folder.", f"--base {folder}", "Give the folder of the base model.")
    return Base(str(folder), None, folder.resolve())


def _named_base(bundle: Bundle, root: Path) -> Base:
    sealed = bundle.seal.base
    try:
        return find_base(sealed.model, sealed.revision, root=root)
    except InputError as error:
        kind = BaseNotHere if isinstance(error, BaseNotHere) else InputError
        problem = error.problems[0]
        advice = "If the base of this bundle is in another folder, give it: --base PATH"
        raise kind(problem.what, problem.where, advice) from error


def engine_config(
    bundles: Sequence[Bundle],
    root: Path,
    threads: int | None = None,
    base: Path | None = None,
    digest: Digest = file_digest,
) -> EngineConfig:
    """Return the engine's configuration for these bundles: merged weights, or one base with their adapters.

    `base` is the folder of the base, where it has moved since training. Raises as `sealed_base` does.
    """
    first = bundles[0]
    merged = first.seal.form == "merged"
    bases = [] if merged else [sealed_base(bundle, root, base, digest).folder for bundle in bundles]
    return EngineConfig(
        model=first.model_folder if merged else bases[0],
        dtype=first.seal.base.dtype,
        max_length=max(bundle.recipe.serve.max_length for bundle in bundles),
        adapters={} if merged else {bundle.digest: bundle.adapter_folder for bundle in bundles},
        max_rank=max(1, *(bundle.seal.adapter.rank for bundle in bundles)),
        threads=threads,
    )


def engine_kind(bundles: Sequence[Bundle], wanted: Kind | Literal["auto"]) -> Kind:
    """Return the engine for these bundles: the requested one, or for "auto" the best that is installed.

    Raises InputError if the requested engine cannot load these adapters, MissingExtra if none is installed.
    """
    if wanted == "upstream":
        return wanted
    odd = [bundle for bundle in bundles if bundle.seal.form == "adapter" and not bundle.seal.adapter.plain_lora]
    if not odd:
        return default_kind() if wanted == "auto" else wanted
    if wanted == "vllm":
        what = f"vLLM does not support {odd[0].seal.adapter.method} adapters; the local engine does."
        raise InputError(what, str(odd[0].folder), "Use: --engine local")
    return "local"


def adapter_name(bundle: Bundle) -> str | None:
    """Return the name of a bundle's adapter in an engine, which is its digest. None for merged weights."""
    return bundle.digest if bundle.seal.form == "adapter" else None


@asynccontextmanager
async def running(engine: Engine) -> AsyncIterator[Engine]:
    """Start an engine, and stop it at the end of the block, also after an error."""
    try:
        await engine.start()
        yield engine
    finally:
        await engine.stop()
