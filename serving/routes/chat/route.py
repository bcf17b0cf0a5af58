"""The route of chat completions."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from kit.engines.base import Generation
from serving.answering import Answering
from serving.catalogue import Model
from serving.errors import ERROR_RESPONSES, ServiceError
from serving.events import EventStream
from serving.middleware import GENERATED_HEADERS
from serving.routes.chat.answer import ChatAnswer
from serving.routes.chat.request import ChatRequest, parse_chat
from serving.routes.chat.types import ChatCompletion, stream_documentation
from serving.routes.raw_body import RawBodyRoute, RawEndpoint, json_body

_SMALL_BODY = 32_768  # bytes; parsed within one millisecond and rendered within a few


def chat_router(answering: Answering) -> APIRouter:
    """Return the route of chat completions."""
    router = APIRouter(route_class=RawBodyRoute)
    router.add_api_route(
        "/chat/completions",
        RawEndpoint(_Chat(answering).answer, ChatRequest),
        methods=["POST"],
        name="chat",
        summary="Answer a dialogue",
        description="A complete answer, or with `stream` server-sent events that end with [DONE].",
        response_model=ChatCompletion,
        responses={**ERROR_RESPONSES, 200: stream_documentation()},
    )
    return router


class _Chat:
    """Answer chat completions."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering

    async def answer(self, request: Request) -> Response:
        body = await json_body(request)
        async with asyncio.timeout(self._answering.settings.answer_seconds):
            chat, model, generation = await self._prepare(request, body)
            answer = ChatAnswer(model.id, len(generation.ids))
            if not chat.stream:
                completion = await model.engine.generate(generation)
                return Response(answer.body(completion), 200, GENERATED_HEADERS, "application/json")
        events = answer.events(model.engine.stream(generation), chat.wants_usage)
        return EventStream(events, self._answering.settings.answer_seconds, GENERATED_HEADERS)

    async def _prepare(self, request: Request, body: bytes) -> tuple[ChatRequest, Model, Generation]:
        """Parse and render the request. The event loop renders nothing and parses only small bodies."""
        small = len(body) <= _SMALL_BODY
        workers = self._answering.workers
        limits = [model.context_limit for model in self._answering.catalogue.models]
        chat: ChatRequest = parse_chat(body, limits) if small else await workers.run("chat", body)
        model = self._answering.choose(request, chat.model)
        turns = chat.turns()
        if problem := model.context_limit.problem(turns):
            raise ServiceError(400, "context_length_exceeded", problem, "messages")
        if small:
            ids = await asyncio.to_thread(model.renderer.dialogue, turns, True)
        else:
            ids = await workers.run("dialogue", model.index, turns)
        return chat, model, chat.generation(model, ids)
