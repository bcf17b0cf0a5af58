"""The routes of llama.cpp's server: completion, infill, tokens, templates and properties."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from kit.engines.base import Generation
from serving.answering import Answering
from serving.errors import ERROR_RESPONSES, ServiceError
from serving.events import EventStream
from serving.middleware import GENERATED_HEADERS
from serving.models.catalogue import Model
from serving.routes.native.answer import NativeAnswer
from serving.routes.native.request import Infill, Native, NativeCompletion, parse_native
from serving.routes.native.types import NativeResult, Properties
from serving.routes.raw_body import RawBodyRoute, RawEndpoint, json_body

_SMALL_BODY = 32_768


def native_router(answering: Answering) -> APIRouter:
    """Return the routes, at the root only: clients of this dialect cannot send a prefix."""
    router = APIRouter(tags=["llama.cpp"], route_class=RawBodyRoute)
    kinds: tuple[tuple[str, type[Native], str], ...] = (
        ("/completion", NativeCompletion, "Continue a text"),
        ("/infill", Infill, "Fill in the middle of a text"),
    )
    for path, kind, summary in kinds:
        router.add_api_route(
            path,
            RawEndpoint(_Completing(answering, kind).answer, kind),
            methods=["POST"],
            name=path.strip("/"),
            summary=summary,
            description=f"{summary}, in llama.cpp's dialect.",
            response_model=NativeResult | list[NativeResult],
            responses={**ERROR_RESPONSES, 501: ERROR_RESPONSES[400], 200: _EVENTS},
        )
    _add_properties(router, answering)
    return router


_EVENTS = {"content": {"text/event-stream": {"itemSchema": {"type": "object"}}}}


class _Completing:
    """Answer requests of one kind."""

    def __init__(self, answering: Answering, kind: type[Native]) -> None:
        self._answering, self._kind = answering, kind

    async def answer(self, request: Request) -> Response:
        body = await json_body(request)
        seconds = self._answering.settings.answer_seconds
        async with asyncio.timeout(seconds):
            wanted, model, ids = await self._prepared(request, body)
            generation: Generation | None = None
            if not wanted.warms_up:
                if not ids:
                    raise ServiceError(400, "invalid_value", "The prompt is empty.", "prompt")
                generation = wanted.generation(model, ids)
            answer = NativeAnswer(wanted, model, generation, ids)
            if not wanted.stream:
                return Response(await answer.body(), 200, GENERATED_HEADERS, "application/json")
        return EventStream(answer.events(), seconds, GENERATED_HEADERS)

    async def _prepared(self, request: Request, body: bytes) -> tuple[Native, Model, tuple[int, ...]]:
        """Return the request, its model, and the prompt's ids."""
        workers = self._answering.workers
        small = len(body) <= _SMALL_BODY
        wanted: Native = parse_native(body, self._kind) if small else await workers.run("native", body, self._kind)
        model = self._answering.choose(request, wanted.model)
        if small:
            ids = await asyncio.to_thread(wanted.ids, model.renderer)
        else:
            ids = await workers.run("native_ids", model.index, wanted)
        return wanted, model, ids


def _add_properties(router: APIRouter, answering: Answering) -> None:
    @router.get("/props", summary="Properties of the default model", response_model=Properties)
    async def props(request: Request) -> Response:
        model = answering.choose(request, request.query_params.get("model"))
        context = model.engine.capabilities.max_length
        fields: dict[str, Any] = {
            "default_generation_settings": {"n_ctx": context},
            "total_slots": 1,
            "model_alias": model.id,
            "model_path": model.id,
            "chat_template": model.renderer.template_text,
            "build_info": "domainkit",
        }
        return Response(orjson.dumps(fields), media_type="application/json")

    @router.post("/embeddings", include_in_schema=False)
    @router.post("/embedding", include_in_schema=False)
    @router.post("/v1/embeddings", include_in_schema=False)
    async def embeddings() -> Response:
        message = "This service makes no embeddings; its models write text."
        raise ServiceError(501, "not_supported", message, headers={"x-should-retry": "false"})
