"""The typed routes: each task of the bundles is a POST from its request type to its response type."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Header
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from kit.task import Task
from serving.errors import ERROR_RESPONSES
from serving.models import Catalogue
from serving.settings import Settings
from serving.shell import GENERATED, choose

MODEL_HEADER = "x-domainkit-model"


def domain_router(catalogue: Catalogue, settings: Settings) -> APIRouter:
    """Return a router with one POST per typed route of the models; the first model's types describe it."""
    router = APIRouter(tags=["domain"])
    tasks: dict[str, Task[Any, Any]] = {}
    for model in catalogue.models:
        for route, answerer in model.answerers.items():
            tasks.setdefault(route, answerer.task)
    for route, task in tasks.items():
        _add(router, route, task, catalogue, settings)
    return router


def _add(router: APIRouter, route: str, task: Task[Any, Any], catalogue: Catalogue, settings: Settings) -> None:
    async def answer(
        request: Request,
        body: BaseModel,
        model: Annotated[str | None, Header(alias=MODEL_HEADER, description="Which model answers")] = None,
    ) -> Response:
        chosen = catalogue.find_for(route, model, MODEL_HEADER)
        choose(request.scope, chosen.deployed)
        answerer = chosen.answerers[route]
        async with asyncio.timeout(settings.answer_seconds):
            answered = await answerer.respond(_as_type(body, answerer.task.request_type))
        return Response(answered.response.model_dump_json(by_alias=True), 200, GENERATED, "application/json")

    # FastAPI reads the types of a route from its signature, and this one's are known only now.
    answer.__annotations__["body"] = task.request_type
    summary = (type(task).__doc__ or task.name).strip().splitlines()[0]
    router.add_api_route(
        route,
        answer,
        methods=["POST"],
        name=task.name,
        summary=summary,
        response_model=task.response_type,
        responses=ERROR_RESPONSES,
        operation_id=task.name,
    )


def _as_type(body: BaseModel, wanted: type[BaseModel]) -> BaseModel:
    """Return the request as another bundle's type of the same shape: each bundle brings its own classes."""
    return body if isinstance(body, wanted) else wanted.model_validate(body.model_dump(mode="json"))
