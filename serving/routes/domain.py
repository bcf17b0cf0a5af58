"""The typed routes: one POST for each task of the bundles, from its request type to its response type."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Header
from starlette.requests import Request
from starlette.responses import Response

from kit.engines.answerer import run_concurrently
from kit.task import Task
from serving.answering import Answering
from serving.errors import ERROR_RESPONSES
from serving.middleware import GENERATED_HEADERS
from serving.routes.raw_body import RawBodyRoute, RawEndpoint, json_body

MODEL_HEADER = "x-domainkit-model"
_ModelHeader = Annotated[
    str | None, Header(alias=MODEL_HEADER, description="Model to use; the default is the first one")
]


def domain_router(answering: Answering) -> APIRouter:
    """Return a router with one POST for each typed route; the first model with that route documents it."""
    router = APIRouter(tags=["domain"], route_class=RawBodyRoute)
    tasks: dict[str, Task[Any, Any]] = {}
    for model in answering.catalogue.models:
        for route, task in model.tasks.items():
            tasks.setdefault(route, task)
    for route, task in tasks.items():
        _add_route(router, route, task, _TypedRoute(route, answering))
    return router


class _TypedRoute:
    """Answer one typed route: a worker renders the prompts, the engine generates, a worker reads the completions."""

    def __init__(self, route: str, answering: Answering) -> None:
        self._route, self._answering = route, answering

    async def answer(self, request: Request) -> Response:
        model = self._answering.choose_for(request, self._route, request.headers.get(MODEL_HEADER), MODEL_HEADER)
        workers = self._answering.workers
        body = await json_body(request)
        async with asyncio.timeout(self._answering.settings.answer_seconds):
            generations = await workers.run("prompts", model.index, self._route, body)
            completions = await run_concurrently([model.engine.generate(generation) for generation in generations])
            response = await workers.run("read", model.index, self._route, body, completions)
        return Response(response, 200, GENERATED_HEADERS, "application/json")


def _add_route(router: APIRouter, route: str, task: Task[Any, Any], typed: _TypedRoute) -> None:
    summary = (type(task).__doc__ or task.name).strip().splitlines()[0]
    router.add_api_route(
        route,
        RawEndpoint(typed.answer, task.request_type, model=_ModelHeader),
        methods=["POST"],
        name=task.name,
        summary=summary,
        description=summary,
        response_model=task.response_type,
        responses=ERROR_RESPONSES,
        operation_id=task.name,
    )
