"""Create the FastAPI application from settings, an engine and bundles. It verifies the bundles before it answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response

from kit import __version__
from kit.engines.base import Engine
from kit.errors import KitError
from kit.system.files import file_digest
from kit.system.hashes import Digest
from serving.answering import Answering
from serving.errors import ServiceError
from serving.guard.exposure import check_keys
from serving.guard.fairness.engine import FairEngine
from serving.guard.quotas import Quotas
from serving.middleware import ServiceMiddleware, error_response
from serving.models.aliases import AliasWatch, Followed
from serving.models.catalogue import Deployed, check_compatible, check_exposure, exposed_previews
from serving.models.fleet import Fleet, as_fleet
from serving.models.recovery import EngineWatch
from serving.models.verification import assignment, verify_and_start
from serving.observability.observed import Observed
from serving.observability.records import Records
from serving.observability.stack import safe_trace
from serving.observability.typed_answers import TypedAnswers
from serving.readiness import Readiness
from serving.routes.domain.route import domain_router
from serving.routes.native.route import native_router
from serving.routes.openai import openai_router
from serving.routes.operations import operations_router
from serving.settings import Settings
from serving.workers.pool import Workers

ROUTERS = (openai_router, native_router, domain_router)
_log = logging.getLogger(__name__)
_HTTP_CODES = {404: "route_not_found", 405: "method_not_allowed"}


def create_app(
    settings: Settings,
    engine: Engine | Fleet,
    bundles: Sequence[Deployed],
    on_refusal: Callable[[str], None] = _log.error,
    digest: Digest = file_digest,
    phase: Callable[[str], None] = _log.info,
    followed: Followed | None = None,
) -> FastAPI:
    """Return the application; the first bundle is the default. Its lifespan starts the engine and verifies the bundles.

    `digest` hashes a file; `phase` gets a sentence after each part of the start; `followed` names the aliases that the
    service follows. `app.state.readiness` has the result. If the service can never become ready, `on_refusal` gets the
    reason, once.
    `engine` serves every bundle; a `Fleet` has one for each that needs its own.
    Raises InputError if one service cannot serve these bundles together, or if other machines could call it without a
    key, and Refused if other machines could reach a
    bundle that is only a preview.
    """
    check_compatible(bundles)
    check_exposure(settings, bundles)
    check_keys(settings)
    quotas = Quotas(settings)
    fleet = as_fleet(engine).behind(lambda each: FairEngine(each, settings, quotas))
    for name in exposed_previews(settings, bundles):
        _log.warning("%s is a preview and other machines can reach it, because expose_preview is set.", name)
    readiness, records = Readiness(), Records(settings)
    app = FastAPI(
        title="domainkit",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan(settings, fleet, bundles, readiness, records, on_refusal, digest, phase, followed),
        exception_handlers={HTTPException: _routing_error},
    )
    app.state.readiness = readiness
    app.state.accounts = records.accounts
    operations = operations_router(readiness, fleet, bundles, records.metrics)
    open_paths = frozenset(route.path for route in operations.routes if isinstance(route, APIRoute))
    app.add_middleware(
        ServiceMiddleware,
        settings=settings,
        readiness=readiness,
        deployed=bundles,
        open_paths=open_paths,
        quotas=quotas,
    )
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=settings.cors_origins, allow_methods=["*"], allow_headers=["*"]
        )
    app.add_middleware(Observed, metrics=records.metrics, told=records.told)
    app.include_router(operations)
    return app


def _lifespan(
    settings: Settings,
    fleet: Fleet,
    bundles: Sequence[Deployed],
    readiness: Readiness,
    records: Records,
    on_refusal: Callable[[str], None],
    digest: Digest,
    phase: Callable[[str], None],
    followed: Followed | None,
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    watching: list[asyncio.Task[None]] = []

    async def start_up(app: FastAPI, workers: Workers) -> None:
        try:
            await records.open()
            await records.did("start", **_facts(settings, bundles))
            default = followed.default if followed else None
            catalogue = await verify_and_start(bundles, fleet, workers, digest, phase, default)
            engines = EngineWatch(fleet, catalogue, readiness, settings, digest)
            if followed is not None:
                watch = AliasWatch(followed, catalogue, fleet.shared, workers, settings, digest, records.did)
                await watch.follow()
                watching.append(asyncio.create_task(watch.run()))
            answering = Answering(catalogue, workers, settings, records.accounts, TypedAnswers(records.metrics))
            for router in ROUTERS:
                app.include_router(router(answering))
        except Exception as error:
            readiness.refuse(_refusal_for(error))
            on_refusal(str(readiness.refusal))
            with suppress(KitError):  # the disk of the audit log may be the reason
                await records.did("refused", reason=str(readiness.refusal))
        else:
            readiness.accept(catalogue)
            watching.append(asyncio.create_task(engines.run()))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        assignments = [assignment(each, fleet.engine_of(each)) for each in bundles]
        workers = Workers(assignments, settings.task_workers, settings.task_seconds)
        starting = asyncio.create_task(start_up(app, workers))
        try:
            yield
        finally:
            for task in (starting, *watching):
                task.cancel()
            await workers.stop()
            await asyncio.gather(starting, *watching, return_exceptions=True)
            await fleet.stop()
            with suppress(KitError):
                await records.did("stop", bundles=[each.bundle.digest for each in bundles])
            await records.close()

    return lifespan


def _facts(settings: Settings, bundles: Sequence[Deployed]) -> dict[str, Any]:
    """Return what the audit log says about a start."""
    return {
        "version": __version__,
        "host": settings.host,
        "bundles": {each.bundle.digest: each.status for each in bundles},
        "exposed_previews": exposed_previews(settings, bundles),
    }


def _refusal_for(error: Exception) -> KitError:
    if isinstance(error, KitError):
        return error
    _log.error("The service failed to start.\n%s", safe_trace(error))
    return KitError(f"The service failed to start: {type(error).__name__}: {error}.")


async def _routing_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = _HTTP_CODES.get(error.status_code)
    message = f"There is no route {request.method} {request.url.path}." if code else str(error.detail)
    return error_response(ServiceError(error.status_code, code or "invalid_request", message, headers=error.headers))
