"""The OpenAI API: chat completions and models, under /v1 and at the root."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from kit.engines.base import Engine, Generation
from serving.catalogue import Catalogue, Model
from serving.errors import ERROR_RESPONSES, ErrorBody, ServiceError
from serving.events import EventStream
from serving.middleware import GENERATED_HEADERS, record_bundle
from serving.routes.chat_answer import ChatAnswer
from serving.routes.chat_request import ChatRequest, parse_chat
from serving.routes.chat_types import ChatCompletion, ModelEntry, ModelList, stream_documentation
from serving.routes.raw_body import RawBodyRoute, RawEndpoint, json_body
from serving.settings import Settings
from serving.workers.pool import Workers

_SMALL_BODY = 32_768  # bytes; parsed within one millisecond and rendered within a few


def openai_router(catalogue: Catalogue, engine: Engine, workers: Workers, settings: Settings) -> APIRouter:
    """Return the routes twice: documented under /v1, and at the root for clients that omit /v1."""
    router = APIRouter(tags=["openai"], route_class=RawBodyRoute)
    routes = APIRouter(route_class=RawBodyRoute)
    _add_chat(routes, _Chat(catalogue, engine, workers, settings))
    _add_models(routes, catalogue, engine)
    router.include_router(routes, prefix="/v1")
    router.include_router(routes, include_in_schema=False)
    return router


class _Chat:
    """Answer chat completions."""

    def __init__(self, catalogue: Catalogue, engine: Engine, workers: Workers, settings: Settings) -> None:
        self._catalogue, self._engine = catalogue, engine
        self._workers, self._settings = workers, settings
        self._limits = [model.context_limit for model in catalogue.models]

    async def answer(self, request: Request) -> Response:
        body = await json_body(request)
        async with asyncio.timeout(self._settings.answer_seconds):
            chat, model, generation = await self._prepare(request, body)
            answer = ChatAnswer(model.id, len(generation.ids))
            if not chat.stream:
                completion = await self._engine.generate(generation)
                return Response(answer.body(completion), 200, GENERATED_HEADERS, "application/json")
        events = answer.events(self._engine.stream(generation), chat.wants_usage)
        return EventStream(events, self._settings.answer_seconds, GENERATED_HEADERS)

    async def _prepare(self, request: Request, body: bytes) -> tuple[ChatRequest, Model, Generation]:
        """Parse and render the request. The event loop renders nothing and parses only small bodies."""
        small = len(body) <= _SMALL_BODY
        chat: ChatRequest = parse_chat(body, self._limits) if small else await self._workers.run("chat", body)
        model = self._catalogue.find(chat.model)
        record_bundle(request.scope, model.deployed)
        turns = chat.turns()
        if problem := model.context_limit.problem(turns):
            raise ServiceError(400, "context_length_exceeded", problem, "messages")
        if small:
            ids = await asyncio.to_thread(model.renderer.dialogue, turns, True)
        else:
            ids = await self._workers.run("dialogue", model.index, turns)
        capabilities = self._engine.capabilities
        return chat, model, chat.generation(model, ids, capabilities.max_length, capabilities.seeds)


def _add_chat(router: APIRouter, chat: _Chat) -> None:
    router.add_api_route(
        "/chat/completions",
        RawEndpoint(chat.answer, ChatRequest),
        methods=["POST"],
        name="chat",
        summary="Answer a dialogue",
        description="A complete answer, or with `stream` server-sent events that end with [DONE].",
        response_model=ChatCompletion,
        responses={**ERROR_RESPONSES, 200: stream_documentation()},
    )


def _add_models(router: APIRouter, catalogue: Catalogue, engine: Engine) -> None:
    def entry(model: Model) -> dict[str, Any]:
        return {
            "id": model.id,
            "object": "model",
            "created": model.created,
            "owned_by": "domainkit",
            "max_model_len": engine.capabilities.max_length,
        }

    @router.get("/models", summary="The models of this service", response_model=ModelList)
    async def models() -> Response:
        body = {"object": "list", "data": [entry(model) for model in catalogue.models], "has_more": False}
        return Response(orjson.dumps(body), media_type="application/json")

    @router.get(
        "/models/{name:path}", summary="One model", response_model=ModelEntry, responses={404: {"model": ErrorBody}}
    )
    async def one_model(request: Request, name: str) -> Response:
        model = catalogue.find(name)
        record_bundle(request.scope, model.deployed)
        return Response(orjson.dumps(entry(model)), media_type="application/json")
