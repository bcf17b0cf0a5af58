"""OpenAI's routes, under /v1 and, for clients that omit /v1, at the root."""

from __future__ import annotations

from fastapi import APIRouter

from serving.answering import Answering
from serving.routes.chat.route import chat_router
from serving.routes.completions.route import completions_router
from serving.routes.messages.route import messages_router
from serving.routes.models import models_router
from serving.routes.raw_body import RawBodyRoute
from serving.routes.responses.route import responses_router
from serving.routes.tokens.route import tokens_router

_ROUTERS = (
    chat_router,
    responses_router,
    messages_router,
    completions_router,
    models_router,
    tokens_router,
)


def openai_router(answering: Answering) -> APIRouter:
    """Return the routes twice; only those under /v1 are documented."""
    router = APIRouter(tags=["openai"], route_class=RawBodyRoute)
    for part in _ROUTERS:
        router.include_router(part(answering), prefix="/v1")
        router.include_router(part(answering), include_in_schema=False)
    return router
