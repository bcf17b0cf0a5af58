"""The routes of Anthropic's Messages API."""

from __future__ import annotations

import asyncio

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from serving.answering import Answering
from serving.errors import ServiceError
from serving.events import EventStream
from serving.middleware import GENERATED_HEADERS
from serving.routes.chat.dialogue import prepare, rendered
from serving.routes.chat.parsing import named_as_in, parse_messages
from serving.routes.chat.request import ChatRequest
from serving.routes.chat.route import SMALL_BODY
from serving.routes.chat.types import stream_documentation
from serving.routes.messages.answer import MessageAnswer
from serving.routes.messages.errors import COUNT, MESSAGES, anthropic_error
from serving.routes.messages.request import CountRequest, MessagesRequest
from serving.routes.messages.types import MESSAGES_ERRORS, AnsweredMessage, CountedTokens
from serving.routes.raw_body import RawBodyRoute, RawEndpoint, json_body

_EVENTS = "An event of the Messages API as JSON; the last one is message_stop or an error."


def messages_router(answering: Answering) -> APIRouter:
    """Return the routes that answer a dialogue and that count its tokens."""
    router = APIRouter(route_class=RawBodyRoute, tags=["anthropic"])
    messages = _Messages(answering)
    router.add_api_route(
        MESSAGES,
        RawEndpoint(messages.answer, MessagesRequest),
        methods=["POST"],
        name="messages",
        summary="Answer a dialogue in the format of Anthropic's Messages API",
        response_model=AnsweredMessage,
        responses={**MESSAGES_ERRORS, 200: stream_documentation(_EVENTS)},
    )
    router.add_api_route(
        COUNT,
        RawEndpoint(messages.count, CountRequest),
        methods=["POST"],
        name="count_tokens",
        summary="Count the tokens of a dialogue",
        response_model=CountedTokens,
        responses=MESSAGES_ERRORS,
    )
    return router


class _Messages:
    """Answer dialogues and count their tokens."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering

    async def answer(self, request: Request) -> Response:
        body = await json_body(request)
        seconds = self._answering.settings.answer_seconds
        async with asyncio.timeout(seconds):
            chat = await self._parsed(body, counted=False)
            with named_as_in(MessagesRequest.PARAMS):
                dialogue = await prepare(self._answering, request, chat, len(body) <= SMALL_BODY)
            answer = MessageAnswer(dialogue)
            if not chat.stream:
                return Response(await answer.body(), 200, GENERATED_HEADERS, "application/json")
        return EventStream(answer.events(), seconds, GENERATED_HEADERS, _last_event)

    async def count(self, request: Request) -> Response:
        body = await json_body(request)
        chat = await self._parsed(body, counted=True)
        model = self._answering.choose(request, chat.model)
        ids = await rendered(self._answering, model, chat, len(body) <= SMALL_BODY)
        return Response(orjson.dumps({"input_tokens": len(ids)}), 200, media_type="application/json")

    async def _parsed(self, body: bytes, counted: bool) -> ChatRequest:
        if len(body) > SMALL_BODY:
            large: ChatRequest = await self._answering.workers.run("messages", body, counted)
            return large
        return parse_messages(body, self._answering.limits, counted)


def _last_event(error: ServiceError) -> bytes:
    return b"event: error\ndata: " + anthropic_error(error, "") + b"\n\n"
