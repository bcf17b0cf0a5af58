"""Watches the engines of a running service: one that dies or falls silent is started again and proved again."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from kit.bundle.verify import verify_files
from kit.engines.base import Engine, EngineSilent
from kit.errors import KitError, Refused
from kit.system.files import file_digest
from kit.system.hashes import Digest
from serving.models.catalogue import Catalogue, Model
from serving.models.fleet import Fleet
from serving.models.verification import prove
from serving.readiness import Readiness
from serving.settings import Settings

_LOOK_SECONDS = 0.25
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 60.0
_MOST_RESTARTS, _FORGET_SECONDS = 5, 600.0
_log = logging.getLogger(__name__)


@dataclass
class BackOff:
    """How long to wait before each restart, in seconds: 0, 1, 2, 4 and so on, at most 60.

    A restart counts for ten minutes; after five that count there is no other.
    """

    clock: Callable[[], float] = time.monotonic
    _at: list[float] = field(default_factory=list)

    def next_wait(self) -> float | None:
        """Count a restart, and return how long to wait before it; None if there were too many."""
        now = self.clock()
        self._at = [each for each in self._at if now - each < _FORGET_SECONDS]
        if len(self._at) >= _MOST_RESTARTS:
            return None
        self._at.append(now)
        earlier = len(self._at) - 1
        return min(_FIRST_WAIT * 2.0 ** (earlier - 1), _LONGEST_WAIT) if earlier else 0.0


class EngineWatch:
    """Makes the service not ready while an engine cannot answer, and brings the engine back if the settings say so.

    An engine that is dead is started again, its adapters are loaded, and every bundle on it is proved as at the start
    of the service. A silent engine may come back by itself; after `answer_seconds` it counts as dead.
    """

    def __init__(
        self,
        fleet: Fleet,
        catalogue: Catalogue,
        readiness: Readiness,
        settings: Settings,
        digest: Digest = file_digest,
    ) -> None:
        self._digest = digest
        self._fleet, self._catalogue, self._readiness = fleet, catalogue, readiness
        self._restarts = settings.engine_recovery == "restart"
        self._given_up_seconds = settings.answer_seconds
        self._declared = {id(engine): adapters(models_of(catalogue, engine)) for engine in fleet.engines}

    async def run(self) -> None:
        """Watch every engine until cancelled, or until one cannot be brought back: then the service is refused."""
        await asyncio.gather(*(self._watch(engine) for engine in self._fleet.engines))

    async def _watch(self, engine: Engine) -> None:
        back_off, silent_since = BackOff(), None
        while self._readiness.refusal is None:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                await engine.health()
            except EngineSilent as silence:
                silent_since = silent_since or time.monotonic()
                if time.monotonic() - silent_since < self._given_up_seconds:
                    self._readiness.pause(engine, silence)
                    continue
                await self._bring_back(engine, silence, back_off)
            except Exception as death:
                await self._bring_back(engine, _as_kit_error(death), back_off)
            else:
                self._readiness.resume(engine)
            silent_since = None

    async def _bring_back(self, engine: Engine, death: KitError, back_off: BackOff) -> None:
        """Start the engine again and prove its bundles, as often as the back-off allows; else refuse the service."""
        name = engine.capabilities.name
        while self._restarts and (wait := back_off.next_wait()) is not None:
            self._readiness.pause(engine, death)
            _log.error("The engine %s is started again in %.0f s. %s", name, wait, death)
            await asyncio.sleep(wait)
            try:
                await self._restart(engine)
            except Refused as refusal:
                return self._readiness.refuse(refusal)
            except Exception as error:
                death = _as_kit_error(error)
            else:
                _log.warning("The engine %s is back; its bundles were proved again.", name)
                return self._readiness.resume(engine)
        self._readiness.refuse(_lost(name, death, self._restarts))
        return None

    async def _restart(self, engine: Engine) -> None:
        await engine.stop()
        models = models_of(self._catalogue, engine)
        for model in models:
            await asyncio.to_thread(verify_files, model.deployed.bundle, self._digest)
        await engine.start()
        declared = self._declared[id(engine)]
        for model in models:
            if (adapter := model.deployed.adapter) is not None and adapter not in declared:
                await engine.load(adapter, model.deployed.bundle.adapter_folder)
        for model in models:
            if engine.capabilities.proves:
                await prove(model)


def models_of(catalogue: Catalogue, engine: Engine) -> Sequence[Model]:
    """Return the models that an engine answers for."""
    return [model for model in catalogue.models if model.engine is engine]


def adapters(models: Sequence[Model]) -> frozenset[str]:
    """Return the names of the models' adapters."""
    return frozenset(model.deployed.adapter for model in models if model.deployed.adapter is not None)


def _as_kit_error(error: Exception) -> KitError:
    return error if isinstance(error, KitError) else KitError(f"{type(error).__name__}: {error}")


def _lost(name: str, death: KitError, restarted: bool) -> KitError:
    tried = f"It was started {_MOST_RESTARTS} times without lasting success." if restarted else "It is not restarted."
    advice = "Read the engine's log, then start the service again."
    return KitError(f"The engine {name} was lost: {str(death).rstrip('.')}. {tried}", next=advice)
