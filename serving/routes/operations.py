"""Whether the process lives, and whether it may be sent requests."""

from __future__ import annotations

import orjson
from fastapi import APIRouter
from starlette.responses import Response

from kit.engines.base import Engine
from serving.readiness import Readiness


def operations_router(readiness: Readiness, engine: Engine) -> APIRouter:
    """Return /livez and /readyz."""
    router = APIRouter(tags=["operations"])

    @router.get("/livez", summary="The process is up")
    async def livez() -> Response:
        return _json({"status": "live"})

    @router.get("/readyz", summary="Every bundle is verified, has written a token, and the engine can work")
    async def readyz() -> Response:
        catalogue = readiness.models()
        await engine.health()
        models = [
            {"id": model.id, "bundle": model.deployed.bundle.digest, "status": model.deployed.standing}
            for model in catalogue.models
        ]
        return _json({"status": "ready", "models": models})

    return router


def _json(value: object) -> Response:
    return Response(orjson.dumps(value), media_type="application/json")
