"""The route of chat completions."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from serving.answering import Answering
from serving.errors import ERROR_RESPONSES
from serving.events import EventStream
from serving.middleware import GENERATED_HEADERS
from serving.routes.chat.answer import ChatAnswer
from serving.routes.chat.dialogue import prepare
from serving.routes.chat.parsing import parse_chat
from serving.routes.chat.request import ChatRequest
from serving.routes.chat.types import ChatCompletion, stream_documentation
from serving.routes.raw_body import RawBodyRoute, RawEndpoint, json_body
from serving.routes.responses.request import InputOnly

_EVENTS = "A chat.completion.chunk as JSON; the last event is [DONE] or an error."
SMALL_BODY = 32_768  # bytes; parsed within one millisecond and rendered within a few


def chat_router(answering: Answering) -> APIRouter:
    """Return the route of chat completions."""
    router = APIRouter(route_class=RawBodyRoute)
    router.add_api_route(
        "/chat/completions",
        RawEndpoint(_Chat(answering).answer, ChatRequest | InputOnly),
        methods=["POST"],
        name="chat",
        summary="Answer a dialogue",
        description="A complete answer, or with `stream` server-sent events that end with [DONE]. A body of the "
        "Responses API, with `input` in place of `messages`, is answered in the same way.",
        response_model=ChatCompletion,
        responses={**ERROR_RESPONSES, 200: stream_documentation(_EVENTS)},
    )
    return router


class _Chat:
    """Answer chat completions."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering

    async def answer(self, request: Request) -> Response:
        body = await json_body(request)
        seconds = self._answering.settings.answer_seconds
        async with asyncio.timeout(seconds):
            chat = await parsed(self._answering, body)
            dialogue = await prepare(self._answering, request, chat, len(body) <= SMALL_BODY)
            answer = ChatAnswer(dialogue, bool(chat.logprobs))
            if not chat.stream:
                return Response(await answer.body(), 200, GENERATED_HEADERS, "application/json")
        return EventStream(answer.events(chat.wants_usage), seconds, GENERATED_HEADERS)


async def parsed(answering: Answering, body: bytes) -> ChatRequest:
    """Parse a body; the event loop parses only small ones. Raises ServiceError as `parse_chat` does."""
    if len(body) > SMALL_BODY:
        large: ChatRequest = await answering.workers.run("chat", body)
        return large
    return parse_chat(body, answering.limits)
