"""The typed routes: for each task of the bundles one POST, one for batches, and events if the task streams."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Header
from starlette.requests import Request
from starlette.responses import Response

from kit.engines.answerer import run_concurrently
from kit.engines.base import Generation
from kit.task import Completion, Stream, Task, UnreadableAnswer
from serving.answering import Answering
from serving.errors import ERROR_RESPONSES, to_service_error
from serving.events import EventStream
from serving.middleware import GENERATED_HEADERS
from serving.models.catalogue import Model
from serving.routes.domain.batch import AT_ONCE, Answered, Result, batch_body, batch_types
from serving.routes.domain.events import TypedStream, error_event, event
from serving.routes.raw_body import RawBodyRoute, RawEndpoint, json_body

MODEL_HEADER = "x-domainkit-model"
SHORTCUT_HEADERS = {"x-domainkit-disclosure": "rule"}  # no model wrote the response
_ModelHeader = Annotated[
    str | None, Header(alias=MODEL_HEADER, description="Model to use; the default is the first one")
]


def domain_router(answering: Answering) -> APIRouter:
    """Return a router with the routes of each task; the first model with that route documents it."""
    router = APIRouter(tags=["domain"], route_class=RawBodyRoute)
    tasks: dict[str, Task[Any, Any]] = {}
    for model in answering.catalogue.models:
        for route, task in model.tasks.items():
            tasks.setdefault(route, task)
    for route, task in tasks.items():
        _add_routes(router, route, task, _TypedRoute(route, answering))
    return router


class _TypedRoute:
    """Answer one typed route: a worker renders the prompts, the engine generates, a worker reads the completions."""

    def __init__(self, route: str, answering: Answering) -> None:
        self._route, self._answering = route, answering

    async def answer(self, request: Request) -> Response:
        """Answer one request: complete, or as events if the client accepts only these."""
        model, body = self._model(request), await json_body(request)
        seconds = self._answering.settings.answer_seconds
        async with asyncio.timeout(seconds):
            prompts = await self._run("prompts", model, body)
            streamed = _wants_events(request) and isinstance(model.tasks[self._route], Stream)
            if not streamed:
                response = await self._completed(model, body, prompts)
                headers = SHORTCUT_HEADERS if isinstance(prompts, bytes) else GENERATED_HEADERS
                return Response(response, 200, headers, "application/json")
        if isinstance(prompts, bytes):
            self._answering.typed_answers.read(model, self._route, prompts)
            return EventStream(_only(prompts), seconds, SHORTCUT_HEADERS, error_event)
        stream = TypedStream(model, self._route, self._answering.workers, body, prompts, self._answering.typed_answers)
        return EventStream(stream.events(), seconds, GENERATED_HEADERS, error_event)

    async def answer_batch(self, request: Request) -> Response:
        """Answer several requests; each gets its response or its own error."""
        model, body = self._model(request), await json_body(request)
        slots = asyncio.Semaphore(AT_ONCE)

        async def one(item: bytes) -> Result:
            try:
                async with slots:
                    prompts = await self._run("prompts", model, item)
                    response = await self._completed(model, item, prompts)
                    return Answered(response, "rule" if isinstance(prompts, bytes) else "generated")
            except Exception as error:
                return to_service_error(error)

        async with asyncio.timeout(self._answering.settings.answer_seconds):
            items = await self._answering.workers.run("items", body)
            results = await run_concurrently([one(item) for item in items])
        return Response(batch_body(results), 200, GENERATED_HEADERS, "application/json")

    def _model(self, request: Request) -> Model:
        return self._answering.choose_for(request, self._route, request.headers.get(MODEL_HEADER), MODEL_HEADER)

    async def _completed(self, model: Model, body: bytes, prompts: list[Generation] | bytes) -> bytes:
        """Return the response as JSON; `prompts` is the response itself if the task needed no model."""
        response = prompts
        if not isinstance(prompts, bytes):
            completions = await run_concurrently([model.engine.generate(generation) for generation in prompts])
            response = await self._read(model, body, completions)
        assert isinstance(response, bytes)
        self._answering.typed_answers.read(model, self._route, response)
        return response

    async def _read(self, model: Model, body: bytes, completions: Sequence[Completion]) -> bytes:
        try:
            response: bytes = await self._run("read", model, body, completions)
        except UnreadableAnswer:
            self._answering.typed_answers.unreadable(model, self._route)
            raise
        return response

    async def _run(self, job: str, model: Model, body: bytes, *arguments: Any) -> Any:
        return await self._answering.workers.run(job, model.index, self._route, body, *arguments)


def _wants_events(request: Request) -> bool:
    """Whether the client accepts events and not JSON."""
    accepted = request.headers.get("accept", "")
    return "text/event-stream" in accepted and "application/json" not in accepted


async def _only(response: bytes) -> Any:
    yield event("response", response)


def _add_routes(router: APIRouter, route: str, task: Task[Any, Any], typed: _TypedRoute) -> None:
    summary = (type(task).__doc__ or task.name).strip().splitlines()[0]
    responses: dict[int | str, dict[str, Any]] = dict(ERROR_RESPONSES)
    if isinstance(task, Stream):
        responses[200] = _events_documentation(task)
    router.add_api_route(
        route,
        RawEndpoint(typed.answer, task.request_type, model=_ModelHeader),
        methods=["POST"],
        name=task.name,
        summary=summary,
        description=summary,
        response_model=task.response_type,
        responses=responses,
        operation_id=task.name,
    )
    requests, results = batch_types(task)
    router.add_api_route(
        f"{route}/batch",
        RawEndpoint(typed.answer_batch, requests, model=_ModelHeader),
        methods=["POST"],
        name=f"{task.name}_batch",
        summary=f"{summary.rstrip('.')}: up to 256 requests at once",
        description="Each request gets its own response or error.",
        response_model=results,
        response_model_exclude_none=True,
        responses=ERROR_RESPONSES,
        operation_id=f"{task.name}_batch",
    )


def _events_documentation(task: Stream) -> dict[str, Any]:
    """Return the OpenAPI documentation of a stream: the names of its events."""
    names = ", ".join([*task.event_types, "response"])
    data = {"type": "string", "description": f"JSON. The events are {names}; `error` ends a stream that failed."}
    item = {"type": "object", "properties": {"event": {"type": "string"}, "data": data}, "required": ["data"]}
    return {"content": {"text/event-stream": {"itemSchema": item}}}
