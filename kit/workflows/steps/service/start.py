"""Prepares a service (its bundles, engine and address), and starts it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from kit.bundle.attestation import status_of, status_sentence
from kit.bundle.store import Bundle, Store
from kit.bundle.verify import verify_files
from kit.engines import Kind, check_installed, make_engine
from kit.engines.admission import check_model
from kit.engines.base import Engine, EngineConfig
from kit.errors import InputError
from kit.project.project import Project
from kit.recipe.validation import dotted, problems_of
from kit.workflows.events import Note, Report
from kit.workflows.service import EngineName, Service, ServicePlan, Serving
from kit.workflows.steps.arguments import refuse_meaningless
from kit.workflows.steps.engines import engine_config, engine_kind
from kit.workflows.steps.service.background import Background
from serving.catalogue import Deployed
from serving.server import rehearse
from serving.server import serve as serve_app
from serving.settings import Settings


@dataclass(frozen=True)
class Prepared:
    """Bundles with verified files, and the engine and settings to serve them with."""

    settings: Settings
    deployed: tuple[Deployed, ...]
    config: EngineConfig
    kind: Kind

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
    engine: EngineName | None,
    host: str,
    port: int,
    base: str | Path | None,
    threads: int | None,
    expose_preview: bool,
) -> Prepared:
    """Find the bundles, and verify their files and their base. Raises InputError and Refused."""
    refuse_meaningless(engine=engine, threads=threads)
    root = Project.find(Path(project)).root
    store = Store(root)
    found = [store.get(ref) for ref in ([refs] if isinstance(refs, str) else refs) or ("latest",)]
    for bundle in found:
        verify_files(bundle)
    if base and found[0].seal.form == "merged":
        raise InputError("A merged bundle is served without its base.", "--base", "Leave out --base.")
    return Prepared(
        settings=_settings(host, port, expose_preview),
        deployed=tuple(_deployed(store, bundle) for bundle in found),
        config=engine_config(found, root, threads, Path(base) if base else None),
        kind=engine_kind(found, engine or found[0].recipe.serve.engine),
    )


def _settings(host: str, port: int, expose_preview: bool) -> Settings:
    try:
        return Settings(host=host, port=port, expose_preview=expose_preview)
    except ValidationError as error:
        raise InputError(problems_of(error, Settings, dotted)) from None


def _deployed(store: Store, bundle: Bundle) -> Deployed:
    attestations = tuple(store.attestations(bundle.digest))
    return Deployed(bundle, status_of(attestations), attestations)


def rehearsed(prepared: Prepared) -> ServicePlan:
    """Make all checks that come before the start of the engine, and return what would be served."""
    check_installed(prepared.kind)
    check_model(prepared.config)
    rehearse(prepared.settings, prepared.deployed, make_engine(prepared.kind, prepared.config))
    settings = prepared.settings
    return ServicePlan(prepared.digests, prepared.kind, settings.host, settings.port, prepared.status)


def until_stopped(prepared: Prepared, report: Report) -> None:
    """Serve in this thread until a signal arrives."""
    engine = _made(prepared, report)

    def announce(url: str) -> None:
        report(_ready(prepared, url))

    asyncio.run(serve_app(prepared.settings, engine, prepared.deployed, announce))


def in_background(prepared: Prepared, report: Report) -> Service:
    """Serve in a new thread; return when the service is ready."""
    engine = _made(prepared, report)
    background = Background(
        lambda announce, stop: serve_app(prepared.settings, engine, prepared.deployed, announce, stop)
    )
    ready = _ready(prepared, background.started())
    try:
        report(ready)
    except BaseException:
        background.stop()
        raise
    return Service(ready, background)


def _made(prepared: Prepared, report: Report) -> Engine:
    """Import the engine's packages here, outside the event loop, so that Ctrl-C stops the import at once."""
    for sentence in prepared.status:
        report(Note(sentence))
    engine = make_engine(prepared.kind, prepared.config)
    report(
        Note(f"Starting {prepared.kind}; the service is ready when this is verified as the model that was measured.")
    )
    return engine


def _ready(prepared: Prepared, url: str) -> Serving:
    return Serving(url, prepared.digests, prepared.kind)
