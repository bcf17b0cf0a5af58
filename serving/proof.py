"""From bundles on disk to models that may answer: nothing is served that was not verified in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from kit.bundle.verify import verify_files, verify_fingerprints, verify_renders
from kit.engines.base import Engine, Generation, Sampling
from kit.errors import Refused
from kit.task import Message
from serving.catalogue import Catalogue, Deployed, Model, make_model, model_ids
from serving.workers.pool import Workers

_GREETING = Message.of("user", "Hello")


async def prove(deployed: Sequence[Deployed], engine: Engine, workers: Workers) -> Catalogue:
    """Verify every bundle and start the engine; cheap checks come first, and no task's code runs before its hash held.

    Raises Refused with the reason, or the engine's own KitError where it cannot start.
    """
    models = await asyncio.to_thread(verified_models, deployed, engine.capabilities.max_length)
    await workers.start()
    await engine.start()
    for model in models:
        await verify_fingerprints(model.deployed.bundle.seal, engine, model.deployed.adapter)
        await _write_a_token(model, engine)
    return Catalogue(models)


def verified_models(deployed: Sequence[Deployed], context: int) -> list[Model]:
    """Return the models of some bundles: all that can be verified without an engine.

    Raises Refused where a file or a render differs, or a task cannot be loaded.
    """
    for each in deployed:
        verify_files(each.bundle)
    named = zip(model_ids(deployed), deployed, strict=True)
    return [_verified_model(id, place, each, context) for place, (id, each) in enumerate(named)]


def _verified_model(id: str, place: int, deployed: Deployed, context: int) -> Model:
    renderer = deployed.bundle.renderer()
    verify_renders(deployed.bundle, renderer)
    return make_model(id, place, deployed, renderer, context)


async def _write_a_token(model: Model, engine: Engine) -> None:
    """Have the model write one token; ready means that it did, not that a process is up."""
    ids = model.renderer.dialogue([_GREETING], generation=True)
    request = Generation(ids, Sampling(max_tokens=1), adapter=model.deployed.adapter)
    completion = await engine.generate(request)
    if not completion.token_ids and completion.finish != "stop":
        raise Refused(f"The engine wrote no token for {model.id}.", next="Look at the engine's own log.")
