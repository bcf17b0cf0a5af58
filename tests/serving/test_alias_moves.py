"""A running service follows its aliases: no request is dropped, and none is answered by another bundle than it says."""

from __future__ import annotations

import asyncio

import httpx

from tests.serving.http import eventually
from tests.serving.moving import Moving

HELLO = {"model": "production", "messages": [{"role": "user", "content": "Hello"}], "stream": True}
STREAMS, MOVES = 200, 4


async def streamed(client: httpx.AsyncClient) -> tuple[str, str]:
    """Return the digest in the header of one stream, and its whole text."""
    async with client.stream("POST", "/v1/chat/completions", json=HELLO) as response:
        assert response.status_code == 200
        body = (await response.aread()).decode()
    assert body.endswith("data: [DONE]\n\n")
    pieces = [part.partition('"content":"')[2].partition('"')[0] for part in body.split("\n\n")]
    return response.headers["x-domainkit-bundle"], "".join(pieces)


def test_an_alias_moves_under_running_streams_and_drops_or_mixes_none(moving: Moving) -> None:
    moving.engine.delay = 0.02

    async def all_streams() -> list[tuple[str, str]]:
        limits = httpx.Limits(max_connections=60)
        async with httpx.AsyncClient(base_url=moving.service.url, limits=limits, timeout=120) as client:
            answers = [asyncio.ensure_future(streamed(client)) for _ in range(STREAMS)]
            for number in range(MOVES):
                await asyncio.to_thread(moving.move, (moving.second, moving.first)[number % 2])
            return await asyncio.gather(*answers)

    answers = asyncio.run(all_streams())
    assert len(answers) == STREAMS
    for digest, text in answers:
        assert text == f"I am {digest[:12]} and nobody else"
    late = asyncio.run(_one(moving))
    assert late[0] == moving.first.digest


async def _one(moving: Moving) -> tuple[str, str]:
    async with httpx.AsyncClient(base_url=moving.service.url, timeout=60) as client:
        return await streamed(client)


def test_a_running_request_finishes_on_its_bundle_and_then_the_adapter_leaves(moving: Moving) -> None:
    moving.move(moving.second)
    moving.engine.proceed.clear()
    with moving.service.http.stream("POST", "/v1/chat/completions", json=HELLO) as response:
        lines = response.iter_lines()
        next(lines)
        moving.store.alias("production", moving.first.digest)
        eventually(lambda: moving.aliases()["production"] == moving.first.digest, "the alias moved back")
        assert moving.second.digest in moving.engine._adapters
        moving.engine.proceed.set()
        assert "[DONE]" in "".join(lines)
        assert response.headers["x-domainkit-bundle"] == moving.second.digest
    eventually(lambda: moving.second.digest not in moving.engine._adapters, "the adapter left the engine")
    assert moving.first.digest in moving.engine._adapters


def test_typed_requests_reach_the_new_bundle(moving: Moving) -> None:
    moving.engine.script = lambda request: '{"present":true}'
    moving.move(moving.second)
    response = moving.service.http.post("/v1/counter", json={"text": "x"})
    assert response.status_code == 200
    assert response.headers["x-domainkit-bundle"] == moving.second.digest


def test_names_digests_and_aliases_are_model_ids(moving: Moving) -> None:
    digest = moving.first.digest
    for name in ("production", "counter", digest, digest[:12], f"counter@{digest[:12]}", ""):
        assert moving.service.chat(model=name).status_code == 200, name
    assert moving.service.chat(model=digest[:11]).status_code == 404
    listed = {each["id"]: each["bundle"] for each in moving.service.http.get("/v1/models").json()["data"]}
    assert listed == {"counter": digest, "production": digest}
    assert moving.service.http.get("/v1/models/production").json()["id"] == "production"


def test_an_alias_stays_where_the_new_bundle_cannot_be_proved(moving: Moving) -> None:
    moving.store.alias("production", moving.merged.digest)
    eventually(lambda: bool(moving.service.http.get("/readyz").json()["alias_problems"]), "the reason is shown")
    state = moving.service.http.get("/readyz").json()
    assert state["aliases"]["production"] == moving.first.digest
    assert "merged" in state["alias_problems"]["production"]
    moving.engine.answers_as_base = True
    moving.store.alias("production", moving.second.digest)
    eventually(
        lambda: "base model" in str(moving.service.http.get("/readyz").json()["alias_problems"]),
        "the adapter is refused",
    )
    assert moving.second.digest not in moving.engine._adapters
    assert moving.service.chat(model="production").headers["x-domainkit-bundle"] == moving.first.digest
    moving.engine.answers_as_base = False
    moving.store.alias("production", moving.first.digest)
    eventually(lambda: moving.service.http.get("/readyz").json()["alias_problems"] == {}, "the reason is gone")
