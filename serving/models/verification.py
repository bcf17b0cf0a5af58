"""Verify bundles on disk before they answer: the service only serves what it verified in this process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from kit.bundle.verify import verify_files, verify_fingerprints, verify_renders
from kit.engines.base import Engine, Generation, Sampling
from kit.errors import Refused
from kit.system.files import file_digest
from kit.system.hashes import Digest
from kit.task import Message
from serving.models.catalogue import Catalogue, Deployed, Model, make_model, model_ids
from serving.models.fleet import Fleet
from serving.workers.jobs import Assignment
from serving.workers.pool import Workers

_GREETING = Message.of("user", "Hello")


async def verify_and_start(
    deployed: Sequence[Deployed],
    fleet: Fleet,
    workers: Workers,
    digest: Digest = file_digest,
    phase: Callable[[str], None] = lambda _: None,
    default_alias: str | None = None,
) -> Catalogue:
    """Verify every bundle and start the engines. Cheap checks come first; a task's code runs after its hash matched.

    `digest` hashes a file; `phase` gets a sentence after each part. Raises Refused with the reason, or the engine's own
    KitError if it cannot start.
    """
    clock = _Clock(phase)
    models = await asyncio.to_thread(verified_models, deployed, fleet, digest)
    await workers.start()
    clock.ended("Verified the golden renders and loaded the tasks")
    await fleet.start()
    clock.ended(f"Started {' and '.join(engine.capabilities.name for engine in fleet.engines)}")
    if not all(engine.capabilities.proves for engine in fleet.engines):
        phase("The server behind this one renders for itself, so nothing is proved: every answer says 'unproved'.")
        return Catalogue(models, default_alias)
    for model in models:
        await prove(model)
    clock.ended("Verified the fingerprints: the engine answers as the model that was measured")
    return Catalogue(models, default_alias)


class _Clock:
    """Reports how long each phase took."""

    def __init__(self, phase: Callable[[str], None]) -> None:
        self._phase, self._start = phase, time.monotonic()

    def ended(self, what: str) -> None:
        now = time.monotonic()
        self._phase(f"{what} ({now - self._start:.1f} s).")
        self._start = now


def verified_models(deployed: Sequence[Deployed], fleet: Fleet, digest: Digest = file_digest) -> list[Model]:
    """Verify all that needs no running engine, and return the models.

    Raises Refused if a file or a golden render differs or a task cannot be loaded.
    """
    named = zip(model_ids(deployed), deployed, strict=True)
    return [verified_model(id, index, each, fleet.engine_of(each), digest) for index, (id, each) in enumerate(named)]


def verified_model(id: str, index: int, deployed: Deployed, engine: Engine, digest: Digest) -> Model:
    """Verify the files and the golden renders of one bundle, load its tasks, and return its model. Raises Refused."""
    verify_files(deployed.bundle, digest)
    renderer = deployed.bundle.renderer()
    verify_renders(deployed.bundle, renderer)
    return make_model(id, index, deployed, engine, renderer)


def assignment(deployed: Deployed, engine: Engine) -> Assignment:
    """Return what the worker processes must know to parse and render for a bundle."""
    return Assignment(deployed.bundle, deployed.adapter, engine.capabilities.max_length)


async def prove(model: Model) -> None:
    """Compare the running engine's answers with the seal, and make it generate one token. Raises Refused."""
    await verify_fingerprints(model.deployed.bundle.seal, model.engine, model.deployed.adapter)
    await _check_generation(model)


async def _check_generation(model: Model) -> None:
    """Make the model generate one token: a running process is not enough to be ready."""
    ids = model.renderer.dialogue([_GREETING], generation=True)
    request = Generation(ids, Sampling(max_tokens=1), adapter=model.deployed.adapter)
    completion = await model.engine.generate(request)
    if not completion.token_ids and completion.finish != "stop":
        raise Refused(f"The engine generated no token for {model.id}.", next="Read the engine's log.")
