"""The models of this service, in OpenAI's format."""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from serving.answering import Answering
from serving.errors import ErrorBody
from serving.models.catalogue import Model
from serving.routes.chat.types import ModelEntry, ModelList


def models_router(answering: Answering) -> APIRouter:
    """Return the routes that list the models and show one of them."""
    router = APIRouter()

    @router.get("/models", summary="The models of this service", response_model=ModelList)
    async def models() -> Response:
        catalogue = answering.catalogue
        entries = [_entry(model, model.id) for model in catalogue.models]
        entries += [_entry(each.model, alias) for alias, each in catalogue.aliases.items()]
        body = {"object": "list", "data": entries, "has_more": False}
        return Response(orjson.dumps(body), media_type="application/json")

    @router.get(
        "/models/{name:path}", summary="One model", response_model=ModelEntry, responses={404: {"model": ErrorBody}}
    )
    async def one_model(request: Request, name: str) -> Response:
        model = answering.choose(request, name)
        id = name if name in answering.catalogue.aliases else model.id
        return Response(orjson.dumps(_entry(model, id)), media_type="application/json")

    return router


def _entry(model: Model, id: str) -> dict[str, Any]:
    return {
        "id": id,
        "object": "model",
        "created": model.created,
        "owned_by": "domainkit",
        "bundle": model.deployed.bundle.digest,
        "max_model_len": model.engine.capabilities.max_length,
    }
