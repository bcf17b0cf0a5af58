"""The routes of text completions."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from serving.answering import Answering
from serving.errors import ERROR_RESPONSES
from serving.events import EventStream
from serving.middleware import GENERATED_HEADERS
from serving.routes.chat.types import stream_documentation
from serving.routes.completions.answer import TextAnswer, choices_of
from serving.routes.completions.request import CompletionRequest, FillRequest, parse_completion
from serving.routes.completions.types import TextCompletion
from serving.routes.raw_body import RawBodyRoute, RawEndpoint, json_body

_SMALL_BODY = 32_768  # bytes; parsed within one millisecond and tokenised within a few
_EVENTS = "A text_completion as JSON; the last event is [DONE] or an error."
_DESCRIPTION = "A complete answer, or with `stream` server-sent events that end with [DONE]."


def completions_router(answering: Answering) -> APIRouter:
    """Return the routes of completions: plain, and for editors that always send a suffix."""
    router = APIRouter(route_class=RawBodyRoute)
    for path, kind, name, summary in (
        ("/completions", CompletionRequest, "completion", "Continue a text, or fill in its middle"),
        ("/fim/completions", FillRequest, "fill", "Fill in the middle of a text"),
    ):
        router.add_api_route(
            path,
            RawEndpoint(_Completions(answering, kind).answer, kind),
            methods=["POST"],
            name=name,
            summary=summary,
            description=_DESCRIPTION,
            response_model=TextCompletion,
            responses={**ERROR_RESPONSES, 200: stream_documentation(_EVENTS)},
        )
    return router


class _Completions:
    """Answer completions of one kind."""

    def __init__(self, answering: Answering, kind: type[CompletionRequest]) -> None:
        self._answering, self._kind = answering, kind

    async def answer(self, request: Request) -> Response:
        body = await json_body(request)
        seconds = self._answering.settings.answer_seconds
        async with asyncio.timeout(seconds):
            wanted = await self._parsed(body)
            model = self._answering.choose(request, wanted.model)
            if len(body) <= _SMALL_BODY:
                prompts = await asyncio.to_thread(wanted.ids, model.renderer)
            else:
                prompts = await self._answering.workers.run("prompt_ids", model.index, wanted)
            answer = TextAnswer(wanted, model, choices_of(wanted, model, prompts))
            if not wanted.stream:
                return Response(await answer.body(), 200, GENERATED_HEADERS, "application/json")
        return EventStream(answer.events(), seconds, GENERATED_HEADERS)

    async def _parsed(self, body: bytes) -> CompletionRequest:
        if len(body) <= _SMALL_BODY:
            return parse_completion(body, self._kind)
        large: CompletionRequest = await self._answering.workers.run("completion", body, self._kind)
        return large
