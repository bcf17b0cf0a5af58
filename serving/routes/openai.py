"""The OpenAI dialect: chat completions and models, under /v1 and at the root."""

from __future__ import annotations

import asyncio

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from kit.engines.base import Engine
from serving.errors import ERROR_RESPONSES, ErrorBody
from serving.events import EventStream
from serving.models import Catalogue, Model
from serving.routes.chat_answer import ChatAnswer
from serving.routes.chat_request import ChatRequest
from serving.settings import Settings
from serving.shell import GENERATED, choose


def openai_router(catalogue: Catalogue, engine: Engine, settings: Settings) -> APIRouter:
    """Return the routes, once for the documentation under /v1 and once at the root for clients that leave it out."""
    router = APIRouter(tags=["openai"])
    routes = APIRouter()
    _add_chat(routes, catalogue, engine, settings)
    _add_models(routes, catalogue, engine)
    router.include_router(routes, prefix="/v1")
    router.include_router(routes, include_in_schema=False)
    return router


def _add_chat(router: APIRouter, catalogue: Catalogue, engine: Engine, settings: Settings) -> None:
    @router.post("/chat/completions", summary="Answer a dialogue", responses=ERROR_RESPONSES)
    async def chat(request: Request, body: ChatRequest) -> Response:
        model = catalogue.find(body.model)
        choose(request.scope, model.deployed)
        generation = body.generation(model, engine.capabilities.max_length)
        answer = ChatAnswer(model.id, len(generation.ids))
        if body.stream:
            events = answer.events(engine.stream(generation), body.wants_usage)
            return EventStream(events, settings.answer_seconds, GENERATED)
        async with asyncio.timeout(settings.answer_seconds):
            completion = await engine.generate(generation)
        return Response(answer.whole(completion), 200, GENERATED, "application/json")


def _add_models(router: APIRouter, catalogue: Catalogue, engine: Engine) -> None:
    def entry(model: Model) -> dict[str, object]:
        return {
            "id": model.id,
            "object": "model",
            "created": model.created,
            "owned_by": "domainkit",
            "max_model_len": engine.capabilities.max_length,
        }

    @router.get("/models", summary="The models that answer here")
    async def models() -> Response:
        body = {"object": "list", "data": [entry(model) for model in catalogue.models], "has_more": False}
        return Response(orjson.dumps(body), media_type="application/json")

    @router.get("/models/{name:path}", summary="One model", responses={404: {"model": ErrorBody}})
    async def one_model(request: Request, name: str) -> Response:
        model = catalogue.find(name)
        choose(request.scope, model.deployed)
        return Response(orjson.dumps(entry(model)), media_type="application/json")
