"""The route of OpenAI's Responses API."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from serving.answering import Answering
from serving.errors import ERROR_RESPONSES
from serving.events import EventStream
from serving.middleware import GENERATED_HEADERS
from serving.routes.chat.dialogue import prepare
from serving.routes.chat.parsing import named_as_in, parse_responses
from serving.routes.chat.request import ChatRequest
from serving.routes.chat.route import SMALL_BODY
from serving.routes.chat.types import stream_documentation
from serving.routes.raw_body import RawBodyRoute, RawEndpoint, json_body
from serving.routes.responses.answer import ResponsesAnswer
from serving.routes.responses.request import ResponsesRequest
from serving.routes.responses.types import ResponseObject

_EVENTS = "An event of the Responses API as JSON; the last one has the complete response, or is an error."


def responses_router(answering: Answering) -> APIRouter:
    """Return the route of the Responses API."""
    router = APIRouter(route_class=RawBodyRoute)
    router.add_api_route(
        "/responses",
        RawEndpoint(_Responses(answering).answer, ResponsesRequest),
        methods=["POST"],
        name="responses",
        summary="Answer a dialogue in the format of the Responses API",
        response_model=ResponseObject,
        responses={**ERROR_RESPONSES, 200: stream_documentation(_EVENTS)},
    )
    return router


class _Responses:
    """Answer requests of the Responses API."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering

    async def answer(self, request: Request) -> Response:
        body = await json_body(request)
        seconds = self._answering.settings.answer_seconds
        async with asyncio.timeout(seconds):
            echo, chat = await self._parsed(body)
            with named_as_in(ResponsesRequest.PARAMS):
                dialogue = await prepare(self._answering, request, chat, len(body) <= SMALL_BODY)
            answer = ResponsesAnswer(dialogue, echo)
            if not chat.stream:
                return Response(await answer.body(), 200, GENERATED_HEADERS, "application/json")
        return EventStream(answer.events(), seconds, GENERATED_HEADERS)

    async def _parsed(self, body: bytes) -> tuple[dict[str, Any], ChatRequest]:
        """Return what the response repeats, and the chat request; the event loop parses only small bodies."""
        if len(body) > SMALL_BODY:
            large: tuple[dict[str, Any], ChatRequest] = await self._answering.workers.run("responses", body)
            return large
        asked, chat = parse_responses(body, self._answering.limits)
        return asked.echo(), chat
