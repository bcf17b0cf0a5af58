"""Liveness, readiness, and the measured scores of the served bundles."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Literal

import orjson
from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import Response

from kit.bundle.attestation import Status
from serving.errors import ErrorBody
from serving.models.catalogue import Deployed, Model, Pointed, SignatureStatus
from serving.models.fleet import Fleet
from serving.observability.metrics import CONTENT_TYPE, Metrics
from serving.readiness import Readiness
from serving.scores import PATH, Scores, scores_of

METRICS_PATH = "/metrics"


class Live(BaseModel):
    """The process runs."""

    status: Literal["live"]


class Health(BaseModel):
    """The service answers."""

    status: Literal["ok"]


class ReadyModel(BaseModel):
    """A model that is ready, and whether a trusted signer signed its bundle, where signatures are required."""

    id: str
    bundle: str
    status: Status
    signature: SignatureStatus


class Trial(BaseModel):
    """The bundle on trial beside that of an alias: the share of keys that it answers, in percent, and its counts.

    With 0 percent it answers copies. `same`, `different`, `failed`, `not_compared` (streams) and `left_out` (the
    service was busy) count those.
    """

    bundle: str
    percent: float
    answered: int
    same: int
    different: int
    failed: int
    not_compared: int
    left_out: int


class Ready(BaseModel):
    """Every model is ready; the digest of each alias, its trial, and why an alias could not follow its last move."""

    status: Literal["ready"]
    models: list[ReadyModel]
    aliases: dict[str, str]
    trials: dict[str, Trial]
    alias_problems: dict[str, str]


class ScoreList(BaseModel):
    """The scores of all served bundles."""

    object: Literal["list"]
    data: list[Scores]
    has_more: bool


def operations_router(readiness: Readiness, fleet: Fleet, bundles: Sequence[Deployed], metrics: Metrics) -> APIRouter:
    """Return /livez, /readyz, /health, /scores and /metrics; they also respond before a model is ready."""
    router = APIRouter(tags=["operations"])
    scores = _json(ScoreList(object="list", data=[scores_of(each) for each in bundles], has_more=False))

    @router.get("/livez", summary="The process runs", response_model=Live)
    async def livez() -> Response:
        return Response(b'{"status":"live"}', media_type="application/json")

    @router.get(
        "/readyz",
        summary="Every bundle is verified and has generated a token, and the engine is healthy",
        response_model=Ready,
        responses={503: {"model": ErrorBody}},
    )
    async def readyz() -> Response:
        catalogue = readiness.models()
        await fleet.health()
        models = [_ready(model) for model in catalogue.models]
        aliases = {alias: each.model.deployed.bundle.digest for alias, each in catalogue.aliases.items()}
        trials = {alias: _trial(each) for alias, each in catalogue.aliases.items() if each.trial}
        body = {
            "status": "ready",
            "models": models,
            "aliases": aliases,
            "trials": trials,
            "alias_problems": catalogue.problems,
        }
        return Response(orjson.dumps(body), media_type="application/json")

    @router.get(
        "/health",
        summary="As /readyz, in llama.cpp's words",
        response_model=Health,
        responses={503: {"model": ErrorBody}},
    )
    async def health() -> Response:
        readiness.models()
        await fleet.health()
        return Response(b'{"status":"ok"}', media_type="application/json")

    @router.get(PATH, summary="The measured scores of each served bundle", response_model=ScoreList)
    async def all_scores() -> Response:
        return Response(scores, media_type="application/json")

    @router.get(METRICS_PATH, summary="Metrics for Prometheus", include_in_schema=False)
    async def all_metrics() -> Response:
        return Response(await asyncio.to_thread(metrics.text), headers={"content-type": CONTENT_TYPE})

    return router


def _ready(model: Model) -> dict[str, Any]:
    deployed = model.deployed
    return {
        "id": model.id,
        "bundle": deployed.bundle.digest,
        "status": deployed.status,
        "signature": deployed.signature,
    }


def _trial(pointed: Pointed) -> dict[str, Any]:
    _, bundle, percent = pointed.digests
    return {"bundle": bundle, "percent": percent, **asdict(pointed.counts)}


def _json(value: BaseModel) -> bytes:
    return value.model_dump_json().encode()
