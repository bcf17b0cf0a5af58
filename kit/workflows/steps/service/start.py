"""Prepares a service (its settings, bundles and engine), and starts it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from kit.bundle.verify import verify_files
from kit.engines import Kind
from kit.system.hashes import RememberedHashes, hashes_file
from kit.workflows.events import Note, Report
from kit.workflows.service import Service, ServicePlan, Serving
from kit.workflows.steps.arguments import refuse_meaningless
from kit.workflows.steps.bundles import FoundBundle
from kit.workflows.steps.service.background import Background
from kit.workflows.steps.service.engines import PlannedEngine, check_engines, make_fleet, plan_engines
from kit.workflows.steps.service.example import Example, example_of
from kit.workflows.steps.service.found import Found, find
from kit.workflows.steps.service.state import usable_state
from serving.guard.keys import KEYS_FILE
from serving.models.aliases import Followed
from serving.models.catalogue import Deployed
from serving.models.fleet import Fleet
from serving.models.standing import judged
from serving.server import rehearse
from serving.server import serve as serve_app
from serving.settings import Settings
from serving.settings_sources import Resolved, resolve


@dataclass(frozen=True)
class Prepared:
    """Bundles with verified files, and the engines and settings to serve them with. `seconds`: to verify the files."""

    resolved: Resolved
    deployed: tuple[Deployed, ...]
    engines: tuple[PlannedEngine, ...]
    hashes: RememberedHashes
    example: Example
    seconds: float
    followed: Followed | None

    @property
    def settings(self) -> Settings:
        """The settings of the service."""
        return self.resolved.settings

    @property
    def kinds(self) -> str:
        """The kinds of engine that answer, such as "vllm"."""
        return " and ".join(dict.fromkeys(each.kind for each in self.engines))

    @property
    def digests(self) -> tuple[str, ...]:
        """The digests of the bundles."""
        return tuple(each.bundle.digest for each in self.deployed)

    @property
    def status(self) -> tuple[str, ...]:
        """A sentence per bundle: it is verified, or why it is not."""
        return tuple(f"{each.pinned_name}: {each.sentence}" for each in self.deployed)


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
    refuse_meaningless(engine=resolved.settings.engine, threads=resolved.settings.threads)
    found = find(Path(project), [refs] if isinstance(refs, str) else list(refs), attestations)
    resolved = _with_keys_of(found, resolved)
    settings = resolved.settings
    hashes = RememberedHashes(hashes_file(), rehash)
    bundles = [each.bundle for each in found.bundles]
    for bundle in bundles:
        verify_files(bundle, hashes)
    engines = plan_engines(bundles, found.root, settings, hashes)
    hashes.save()
    deployed = tuple(_deployed(each, settings, engines[0].kind) for each in found.bundles)
    seconds = time.monotonic() - start
    return Prepared(
        _with_state(resolved, found.data_root),
        deployed,
        engines,
        hashes,
        example_of(found.data_root, bundles[0]),
        seconds,
        found.followed,
    )


def _with_state(resolved: Resolved, project: Path | None) -> Resolved:
    """Return the settings with the project's folder for the state, where no other is named and it can be written."""
    if resolved.settings.state is not None or project is None:
        return resolved
    return replace(resolved, settings=resolved.settings.model_copy(update={"state": usable_state(project)}))


def _with_keys_of(found: Found, resolved: Resolved) -> Resolved:
    """Take the keys of the project, if it has some and the settings name no others."""
    keys = found.root / KEYS_FILE
    if resolved.settings.keys is not None or not keys.is_file():
        return resolved
    return replace(resolved, settings=resolved.settings.model_copy(update={"keys": keys}))


def _deployed(found: FoundBundle, settings: Settings, kind: Kind) -> Deployed:
    """Return a bundle with its status; behind a server that renders for itself nothing is proved."""
    proves = kind != "upstream" or settings.upstream is None or settings.upstream.mode == "tokens"
    return judged(found.bundle, found.attestations, found.folder, settings, proves)


def rehearsed(prepared: Prepared) -> ServicePlan:
    """Make all checks that come before the start of the engine, and return what would be served."""
    check_engines(prepared.engines)
    rehearse(prepared.settings, prepared.deployed, make_fleet(prepared.engines), prepared.hashes)
    settings = prepared.settings
    return ServicePlan(prepared.digests, prepared.kinds, settings.host, settings.port, prepared.status)


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


def _made(prepared: Prepared, report: Report) -> Fleet:
    """Import the engines' packages here, outside the event loop, so that Ctrl-C stops the import at once."""
    for sentence in prepared.status:
        report(Note(sentence))
    report(Note(_files_sentence(prepared)))
    report(Note(_state_sentence(prepared.settings)))
    fleet = make_fleet(prepared.engines)
    logs = {each.config.log for each in prepared.engines if each.config.log}
    log = f" vLLM's messages go to {logs.pop()}" if logs else ""
    count = f" for {len(prepared.engines)} sets of weights" if len(prepared.engines) > 1 else ""
    what = (
        f"Starting {prepared.kinds}{count}; the service is ready when this is verified as the model that was measured."
    )
    report(Note(f"{what}{log}"))
    return fleet


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


def _state_sentence(settings: Settings) -> str:
    """Say where usage is recorded, or that it is not."""
    if settings.state is None:
        return "Usage is not recorded: there is no folder for it that can be written. Name one with: --set state=FOLDER"
    place = "the database that you named" if settings.ledger else "the ledger"
    return f"What requests use goes to {place}; state and audit log are in {settings.state}. Show it with: kit usage"


def _ready(prepared: Prepared, url: str) -> Serving:
    return Serving(
        url,
        prepared.digests,
        prepared.kinds,
        status=prepared.status,
        routes=prepared.example.routes,
        curl=prepared.example.curl(url, with_key=prepared.settings.keys is not None),
    )
