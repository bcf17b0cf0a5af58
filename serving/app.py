"""The application: made from settings, an engine and bundles. It answers nothing before its bundles are verified."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from kit import __version__
from kit.engines.base import Engine
from kit.errors import KitError
from serving.catalogue import Deployed, check_exposure, check_together, exposed_previews
from serving.errors import ServiceError
from serving.middleware import Shell, error_response
from serving.proof import prove
from serving.readiness import Readiness
from serving.routes.domain import domain_router
from serving.routes.openai import openai_router
from serving.routes.operations import operations_router
from serving.settings import Settings
from serving.workers.jobs import Assignment
from serving.workers.pool import Workers

_log = logging.getLogger(__name__)
_HTTP_CODES = {404: "route_not_found", 405: "method_not_allowed"}


def create_app(
    settings: Settings, engine: Engine, bundles: Sequence[Deployed], tell: Callable[[str], None] = _log.error
) -> FastAPI:
    """Return the application; the first bundle is the default. Its lifespan proves the bundles and starts the engine.

    `app.state.readiness` says how that ended; `tell` hears of a refusal, once. Raises InputError where the bundles
    cannot be served together, Refused where one that is not verified would be reachable from other machines.
    """
    check_together(bundles)
    check_exposure(settings, bundles)
    for name in exposed_previews(settings, bundles):
        _log.warning("%s is a preview, and other machines can reach it: expose_preview is set.", name)
    readiness = Readiness()
    app = FastAPI(
        title="domainkit",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan(settings, engine, bundles, readiness, tell),
        exception_handlers={HTTPException: _unrouted},
    )
    app.state.readiness = readiness
    operations = operations_router(readiness, engine, bundles)
    open_paths = frozenset(route.path for route in operations.routes if isinstance(route, APIRoute))
    app.add_middleware(Shell, settings=settings, readiness=readiness, deployed=bundles, open_paths=open_paths)
    app.include_router(operations)
    return app


def _lifespan(
    settings: Settings, engine: Engine, bundles: Sequence[Deployed], readiness: Readiness, tell: Callable[[str], None]
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    async def settle(app: FastAPI, workers: Workers) -> None:
        try:
            catalogue = await prove(bundles, engine, workers)
            app.include_router(openai_router(catalogue, engine, workers, settings))
            app.include_router(domain_router(catalogue, engine, workers, settings))
        except Exception as error:
            readiness.refuse(_as_refusal(error))
            tell(str(readiness.refusal))
        else:
            readiness.open(catalogue)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        context = engine.capabilities.max_length
        assignments = [Assignment(each.bundle, each.adapter, context) for each in bundles]
        workers = Workers(assignments, settings.task_workers, settings.task_seconds)
        settling = asyncio.create_task(settle(app, workers))
        try:
            yield
        finally:
            settling.cancel()
            await workers.stop()
            await asyncio.gather(settling, return_exceptions=True)
            await engine.stop()

    return lifespan


def _as_refusal(error: Exception) -> KitError:
    if isinstance(error, KitError):
        return error
    _log.error("The start broke.", exc_info=error)
    return KitError(f"The start broke: {type(error).__name__}: {error}.")


async def _unrouted(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = _HTTP_CODES.get(error.status_code)
    message = f"There is no {request.method} {request.url.path} here." if code else str(error.detail)
    return error_response(ServiceError(error.status_code, code or "invalid_request", message, headers=error.headers))
