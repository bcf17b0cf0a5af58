"""The routes of tokens and templates."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from kit.engines.token_text import token_bytes
from kit.task import Message
from serving.answering import Answering
from serving.errors import ERROR_RESPONSES, ServiceError
from serving.models.catalogue import Model
from serving.routes.raw_body import RawBodyRoute, RawEndpoint, json_body
from serving.routes.tokens.request import DetokenizeRequest, Kind, TemplateRequest, TokenizeRequest, parsed
from serving.routes.tokens.types import Detokenized, Templated, TokenizerInfo, Tokens

_SMALL_BODY = 32_768


def tokens_router(answering: Answering) -> APIRouter:
    """Return the routes of tokens and templates."""
    router = APIRouter(route_class=RawBodyRoute)
    routes = _Tokens(answering)
    for path, answer, body, response, summary in (
        ("/tokenize", routes.tokenize, TokenizeRequest, Tokens, "The tokens of a text or a dialogue"),
        ("/detokenize", routes.detokenize, DetokenizeRequest, Detokenized, "The text of tokens"),
        (
            "/apply-template",
            routes.apply_template,
            TemplateRequest,
            Templated,
            "A dialogue in the model's chat template",
        ),
    ):
        router.add_api_route(
            path,
            RawEndpoint(answer, body),
            methods=["POST"],
            name=path.strip("/"),
            summary=summary,
            response_model=response,
            responses=ERROR_RESPONSES,
        )

    @router.get("/tokenizer_info", summary="The tokenizer's special tokens and template", response_model=TokenizerInfo)
    async def tokenizer_info(request: Request) -> Response:
        model = answering.choose(request, request.query_params.get("model"))
        return _json(model.renderer.special_names | {"chat_template": model.renderer.template_text})

    @router.api_route("/get-template", methods=["GET", "POST"], include_in_schema=False)
    async def template(request: Request) -> Response:
        text = answering.choose(request, request.query_params.get("model")).renderer.template_text
        return _json({"template": text, "chat_template": text})

    return router


class _Tokens:
    """Answer the routes of tokens."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering

    async def tokenize(self, request: Request) -> Response:
        wanted, model = await self._parsed(request, TokenizeRequest)
        ids = await self._answering.workers.run("token_ids", model.index, wanted)
        if wanted.content is None:
            names = token_bytes(model.renderer.folder)
            spelled = [names.name(id) for id in ids] if wanted.return_token_strs else None
            context = model.engine.capabilities.max_length
            return _json({"count": len(ids), "max_model_len": context, "tokens": ids, "token_strs": spelled})
        return _json({"tokens": _pieces(model, ids) if wanted.with_pieces else ids})

    async def detokenize(self, request: Request) -> Response:
        wanted, model = await self._parsed(request, DetokenizeRequest)
        if max(wanted.tokens, default=0) >= model.renderer.vocabulary_size:
            message = f"Token ids go from 0 to {model.renderer.vocabulary_size - 1}."
            raise ServiceError(400, "invalid_value", message, "tokens")
        text = await asyncio.to_thread(token_bytes(model.renderer.folder).joined, wanted.tokens)
        return _json({"content": text, "prompt": text})

    async def apply_template(self, request: Request) -> Response:
        wanted, model = await self._parsed(request, TemplateRequest)
        turns: list[Message] = [each.turn() for each in wanted.messages]
        text = await self._answering.workers.run("dialogue_text", model.index, turns)
        return _json({"prompt": text})

    async def _parsed(self, request: Request, kind: type[Kind]) -> tuple[Kind, Model]:
        """Parse a body: a large one in a worker. Raises ServiceError if it is invalid."""
        body = await json_body(request)
        if len(body) > _SMALL_BODY:
            wanted: Kind = await self._answering.workers.run("parsed", body, kind)
        else:
            wanted = parsed(body, kind)
        return wanted, self._answering.choose(request, wanted.model)


def _pieces(model: Model, ids: tuple[int, ...]) -> list[dict[str, Any]]:
    """Return each token with its text, or with its bytes where these are no text."""
    names = token_bytes(model.renderer.folder)
    pieces = []
    for id in ids:
        spelled = names.of(id)
        try:
            pieces.append({"id": id, "piece": spelled.decode()})
        except UnicodeDecodeError:
            pieces.append({"id": id, "piece": list(spelled)})
    return pieces


def _json(value: Any) -> Response:
    return Response(orjson.dumps(value), media_type="application/json")
