"""Aliases of a running service: it follows their moves without a restart, and no running request notices.

A new bundle answers only after its files, its renders and its fingerprints held. A bundle that nothing names any more
leaves the engine when its last request has ended.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from kit.bundle.store import Store
from kit.engines.base import Engine
from kit.errors import InputError, KitError
from kit.system.hashes import Digest
from serving.models.catalogue import Catalogue, Deployed, Model, Pointed, check_compatible, check_exposure
from serving.models.standing import judged
from serving.models.verification import assignment, prove, verified_model
from serving.settings import Settings
from serving.workers.pool import Workers

_SECONDS = 1.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Followed:
    """The aliases that a service follows, and the folder of their store. `default` answers requests without a name."""

    root: Path
    names: tuple[str, ...]
    default: str | None = None


async def _unrecorded(event: str, **facts: object) -> None:
    """Record nothing: a service without a folder for its state has no audit log."""


class AliasWatch:
    """Compares the aliases in the store with those of the service, and moves them; `did` records a move first."""

    def __init__(
        self,
        followed: Followed,
        catalogue: Catalogue,
        engine: Engine | None,
        workers: Workers,
        settings: Settings,
        digest: Digest,
        did: Callable[..., Awaitable[None]] = _unrecorded,
    ) -> None:
        self._store = Store(followed.root)
        self._names = followed.names
        self._catalogue, self._engine, self._workers = catalogue, engine, workers
        self._settings, self._digest, self._did = settings, digest, did
        self._refused: dict[str, tuple[str, str, float]] = {}  # the move that each alias could not make

    async def run(self) -> None:
        """Follow the aliases until cancelled."""
        while True:
            await self.follow()
            await asyncio.sleep(_SECONDS)

    async def follow(self) -> None:
        """Move every alias that points elsewhere now, and unload what nothing needs any more."""
        for name in self._names:
            try:
                await self._follow(name)
            except Exception as error:
                reason = str(error) if isinstance(error, KitError) else f"{type(error).__name__}: {error}"
                self._catalogue.problems[name] = reason
                _log.error("The alias %s stays where it was. %s", name, reason)
        await self._unload_unused()

    async def _follow(self, name: str) -> None:
        wanted = await asyncio.to_thread(lambda: self._store.history(name))
        if not wanted:
            return
        move = wanted[-1]
        key = (move.digest, move.candidate, move.percent)
        pointed = self._catalogue.aliases.get(name)
        if pointed is not None and key == pointed.digests:
            self._refused.pop(name, None)
            self._catalogue.problems.pop(name, None)
            return
        if key == self._refused.get(name):
            return
        try:
            model = await self._model(move.digest)
            trial = await self._model(move.candidate) if move.candidate else None
            facts = {"bundle": move.digest, "trial": move.candidate or None, "percent": move.percent}
            await self._did("alias followed", alias=name, **facts)
        except BaseException:
            if await self._can_work():
                self._refused[name] = key
            raise
        self._catalogue.point(Pointed(name, model, trial, move.percent))
        self._refused.pop(name, None)
        beside = f", with {trial.deployed.pinned_name} on trial" if trial else ""
        _log.warning("The alias %s points at %s now%s.", name, model.deployed.pinned_name, beside)

    async def _can_work(self) -> bool:
        """Whether the engine can answer; a move that failed because it could not is tried again."""
        try:
            await self._engine.health() if self._engine else None
        except KitError:
            return False
        return True

    async def _model(self, digest: str) -> Model:
        return self._catalogue.with_digest(digest) or await self._loaded(digest)

    async def _loaded(self, digest: str) -> Model:
        """Load and prove another adapter. Raises KitError if it is no adapter for this engine, or anything differs."""
        deployed = await asyncio.to_thread(self._found, digest)
        check_compatible([*(model.deployed for model in self._catalogue.models), deployed])
        check_exposure(self._settings, [deployed])
        name = deployed.adapter
        engine = self._engine
        if name is None or engine is None or not engine.capabilities.adapters:
            what = f"{deployed.pinned_name} needs an engine of its own, because its weights are merged."
            raise InputError(what, next="Start the service again, or promote an adapter.")
        model = await asyncio.to_thread(verified_model, deployed.pinned_name, -1, deployed, engine, self._digest)
        await engine.load(name, deployed.bundle.adapter_folder)
        try:
            await prove(model)
            index = await self._workers.extend(assignment(deployed, engine))  # last: they load it at every start
        except BaseException:
            await engine.unload(name)
            raise
        model = model.at(index)
        self._catalogue.add(model)
        return model

    def _found(self, digest: str) -> Deployed:
        store = self._store
        place = store.attestations_folder(digest)
        return judged(store.get(digest), store.attestations(digest), place, self._settings)

    async def _unload_unused(self) -> None:
        for model in self._catalogue.unused():
            self._catalogue.remove(model)
            self._workers.forget(model.index)
            if self._engine is not None and model.deployed.adapter is not None:
                await self._engine.unload(model.deployed.adapter)
            _log.warning("%s was unloaded: no alias points at it any more.", model.deployed.pinned_name)
