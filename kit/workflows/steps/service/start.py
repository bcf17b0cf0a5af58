"""Prepares a service (its settings, bundles and engine), and starts it."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from kit.bundle.attestation import status_of, status_sentence
from kit.bundle.store import Bundle
from kit.bundle.verify import verify_files
from kit.engines import Kind, check_installed, make_engine
from kit.engines.admission import check_model
from kit.engines.base import Engine, EngineConfig
from kit.engines.vllm.arguments import check_arguments
from kit.errors import InputError
from kit.recipe import VllmSection
from kit.system.hashes import RememberedHashes, hashes_file
from kit.workflows.events import Note, Report
from kit.workflows.service import Service, ServicePlan, Serving
from kit.workflows.steps.arguments import refuse_meaningless
from kit.workflows.steps.engines import engine_config, engine_kind
from kit.workflows.steps.service.background import Background
from kit.workflows.steps.service.example import Example, example_of
from kit.workflows.steps.service.found import Found, FoundBundle, find
from serving.aliases import Followed
from serving.catalogue import Deployed
from serving.server import rehearse
from serving.server import serve as serve_app
from serving.settings import Settings
from serving.settings_sources import Resolved, resolve


@dataclass(frozen=True)
class Prepared:
    """Bundles with verified files, and the engine and settings to serve them with. `seconds`: to verify the files."""

    resolved: Resolved
    deployed: tuple[Deployed, ...]
    config: EngineConfig
    kind: Kind
    hashes: RememberedHashes
    example: Example
    seconds: float
    followed: Followed | None

    @property
    def settings(self) -> Settings:
        """The settings of the service."""
        return self.resolved.settings

    @property
    def digests(self) -> tuple[str, ...]:
        """The digests of the bundles."""
        return tuple(each.bundle.digest for each in self.deployed)

    @property
    def status(self) -> tuple[str, ...]:
        """A sentence per bundle: it is verified, or why it is not."""
        return tuple(f"{each.pinned_name}: {status_sentence(each.attestations)}" for each in self.deployed)


def prepare(
    project: str | Path,
    refs: str | Sequence[str],
    flags: Mapping[str, Any],
    config: str | Path | None = None,
    attestations: str | Path | None = None,
    rehash: bool = False,
) -> Prepared:
    """Resolve the settings, find the bundles, and verify their files and their base.

    `flags` are settings by name; None leaves one to the environment, the file and the default. `rehash` reads every
    file again. Raises InputError and Refused.
    """
    start = time.monotonic()
    resolved = resolve(flags, None if config is None else Path(config))
    settings = resolved.settings
    refuse_meaningless(engine=settings.engine, threads=settings.threads)
    found = find(Path(project), [refs] if isinstance(refs, str) else list(refs), attestations)
    hashes = RememberedHashes(hashes_file(), rehash)
    bundles = [each.bundle for each in found.bundles]
    for bundle in bundles:
        verify_files(bundle, hashes)
    if settings.base and bundles[0].seal.form == "merged":
        raise InputError("A merged bundle is served without its base.", "--base", "Leave out --base.")
    kind = engine_kind(bundles, settings.engine or bundles[0].recipe.serve.engine)
    made = _engine_config(bundles, found, settings, kind, hashes)
    hashes.save()
    deployed = tuple(_deployed(each, settings, kind) for each in found.bundles)
    seconds = time.monotonic() - start
    return Prepared(resolved, deployed, made, kind, hashes, example_of(found.root, bundles[0]), seconds, found.followed)


def _engine_config(
    bundles: Sequence[Bundle], found: Found, settings: Settings, kind: Kind, hashes: RememberedHashes
) -> EngineConfig:
    """Return the engine's configuration; vLLM's arguments are checked here, before anything loads."""
    if kind == "upstream":
        return _upstream_config(bundles, settings)
    made = engine_config(bundles, found.root, settings.threads, settings.base, hashes)
    vllm = _vllm_arguments(bundles[0], settings)
    if kind == "vllm":
        check_arguments(vllm.extra)
    log = _log_file() if kind == "vllm" else None
    length = settings.max_length or made.max_length
    return EngineConfig(**{**vars(made), "vllm": vllm, "log": log, "max_length": length})


def _deployed(found: FoundBundle, settings: Settings, kind: Kind) -> Deployed:
    """Return a bundle with its status; behind a server that renders for itself nothing is proved."""
    proves = kind != "upstream" or settings.upstream is None or settings.upstream.mode == "tokens"
    status = status_of(found.attestations) if proves else "unproved"
    return Deployed(found.bundle, status, found.attestations)


def _upstream_config(bundles: Sequence[Bundle], settings: Settings) -> EngineConfig:
    """Return the configuration for another server: of the bundle only the tokenizer is needed here."""
    if settings.upstream is None:
        raise InputError("The engine 'upstream' needs a server.", "upstream.url", "Give its address: --url URL")
    if len(bundles) > 1:
        raise InputError("Another server answers for one bundle.", next="Start one service for each.")
    length = settings.max_length or bundles[0].recipe.serve.max_length
    return EngineConfig(model=bundles[0].tokenizer_folder, max_length=length, upstream=settings.upstream)


def _vllm_arguments(bundle: Bundle, settings: Settings) -> VllmSection:
    """Return the recipe's arguments for vLLM with those of the service over them."""
    recipe, service = bundle.recipe.serve.vllm, settings.vllm
    over = service.model_dump(exclude_unset=True, exclude={"extra"})
    return recipe.model_copy(update={**over, "extra": {**recipe.extra, **service.extra}})


def _log_file() -> Path:
    """Return the file for vLLM's own messages: a new one for each process."""
    state = os.environ.get("XDG_STATE_HOME")
    place = (Path(state) if state else Path.home() / ".local" / "state") / "domainkit"
    try:
        place.mkdir(parents=True, exist_ok=True)
        usable = os.access(place, os.W_OK)
    except OSError:
        usable = False
    folder = place if usable else Path(tempfile.gettempdir())
    return folder / f"vllm-{os.getpid()}.log"


def rehearsed(prepared: Prepared) -> ServicePlan:
    """Make all checks that come before the start of the engine, and return what would be served."""
    check_installed(prepared.kind)
    if prepared.kind != "upstream":
        check_model(prepared.config)
    engine = make_engine(prepared.kind, prepared.config)
    rehearse(prepared.settings, prepared.deployed, engine, prepared.hashes)
    settings = prepared.settings
    return ServicePlan(prepared.digests, prepared.kind, settings.host, settings.port, prepared.status)


def until_stopped(prepared: Prepared, report: Report) -> None:
    """Serve in this thread until a signal arrives."""
    engine = _made(prepared, report)

    def announce(url: str) -> None:
        report(_ready(prepared, url))

    work = serve_app(
        prepared.settings,
        engine,
        prepared.deployed,
        announce,
        digest=prepared.hashes,
        phase=_phases(report),
        followed=prepared.followed,
    )
    asyncio.run(work)


def in_background(prepared: Prepared, report: Report) -> Service:
    """Serve in a new thread; return when the service is ready."""
    engine = _made(prepared, report)
    background = Background(
        lambda announce, stop: serve_app(
            prepared.settings,
            engine,
            prepared.deployed,
            announce,
            stop,
            prepared.hashes,
            _phases(report),
            prepared.followed,
        )
    )
    ready = _ready(prepared, background.started())
    try:
        report(ready)
    except BaseException:
        background.stop()
        raise
    return Service(ready, background)


def _phases(report: Report) -> Any:
    return lambda sentence: report(Note(sentence))


def _made(prepared: Prepared, report: Report) -> Engine:
    """Import the engine's packages here, outside the event loop, so that Ctrl-C stops the import at once."""
    for sentence in prepared.status:
        report(Note(sentence))
    report(Note(_files_sentence(prepared)))
    engine = make_engine(prepared.kind, prepared.config)
    log = f" Its messages go to {prepared.config.log}" if prepared.config.log else ""
    report(
        Note(
            f"Starting {prepared.kind}; the service is ready when this is verified as the model that was measured.{log}"
        )
    )
    return engine


def _files_sentence(prepared: Prepared) -> str:
    """Say how long the files took, and whether remembered hashes were used."""
    hashes, seconds = prepared.hashes, f"{prepared.seconds:.1f} s"
    if hashes.oldest is None:
        return f"Read and verified every file in {seconds}."
    when = datetime.fromtimestamp(hashes.oldest).astimezone().strftime("%Y-%m-%d %H:%M")
    files = "file is" if hashes.reused == 1 else "files are"
    return (
        f"Verified the files in {seconds}: {hashes.reused} large {files} unchanged since the hash of {when}. "
        "To read every file again: --rehash"
    )


def _ready(prepared: Prepared, url: str) -> Serving:
    return Serving(
        url,
        prepared.digests,
        prepared.kind,
        status=prepared.status,
        routes=prepared.example.routes,
        curl=prepared.example.curl(url),
    )
