"""How much a key may ask for, whose turn it is, and what everybody else notices of a greedy client."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from kit.engines.base import Generation
from serving.guard.caller import Scopes
from serving.guard.fairness.turns import Turns
from serving.guard.key_limits import KeyLimits
from serving.guard.keys import new_key
from tests.serving.conftest import Serve
from tests.serving.controlled_engine import ControlledEngine, line_for
from tests.serving.http import PATIENCE, Service, eventually

HELLO = [{"role": "user", "content": "Hello"}]
CHAT: dict[str, Any] = {"messages": HELLO}


def key(file: Path, name: str, **limits: int) -> dict[str, str]:
    return {"authorization": f"Bearer {new_key(file, name, Scopes(), limits=KeyLimits(**limits)).token}"}


def chat(service: Service, headers: dict[str, str] | None = None, **fields: object) -> httpx.Response:
    return service.http.post("/v1/chat/completions", json={**CHAT, **fields}, headers=headers)


@contextmanager
def paused(engine: ControlledEngine) -> Iterator[None]:
    engine.proceed.clear()
    try:
        yield
    finally:
        engine.proceed.set()


def test_a_key_gets_429_beyond_its_requests_and_its_headers_say_what_is_left(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    few, many = key(file, "few", requests_per_minute=2), key(file, "many")
    service = serve(keys=file)
    answers = [chat(service, few) for _ in range(3)]
    assert [each.status_code for each in answers] == [200, 200, 429]
    assert [each.headers["x-ratelimit-remaining-requests"] for each in answers] == ["1", "0", "0"]
    assert {each.headers["x-ratelimit-limit-requests"] for each in answers} == {"2"}
    refused = answers[-1]
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.headers["x-ratelimit-reset-requests"] == f"{refused.headers['retry-after']}s"
    assert int(refused.headers["retry-after-ms"]) == 1000 * int(refused.headers["retry-after"])
    assert chat(service, many).status_code == 200
    assert service.http.get("/scores", headers=few).status_code == 200


def test_a_limit_of_the_settings_holds_for_every_key_that_has_none_of_its_own(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    general, own = key(file, "general"), key(file, "own", requests_per_minute=3)
    service = serve(keys=file, key_limits=KeyLimits(requests_per_minute=1))
    assert [chat(service, general).status_code for _ in range(2)] == [200, 429]
    assert [chat(service, own).status_code for _ in range(4)] == [200, 200, 200, 429]
    without = serve(key_limits=KeyLimits(requests_per_minute=1))
    assert [chat(without).status_code for _ in range(2)] == [200, 429]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("window", ["tokens_per_minute", "tokens_per_day"])
def test_tokens_that_are_read_and_written_count(serve: Serve, tmp_path: Path, window: str, stream: bool) -> None:
    file = tmp_path / "keys.json"
    usage = chat(serve()).json()["usage"]["total_tokens"]
    limited = key(file, "limited", **{window: 2 * usage})
    service = serve(keys=file)
    answers = [chat(service, limited, stream=stream) for _ in range(3)]
    assert [each.status_code for each in answers] == [200, 200, 429]
    left = [int(each.headers["x-ratelimit-remaining-tokens"]) for each in answers]
    assert left == [2 * usage, usage, 0]
    assert f"{2 * usage} tokens" in answers[-1].json()["error"]["message"]


def test_a_typed_request_counts_the_tokens_of_all_its_parts(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    limited = key(file, "limited", tokens_per_minute=2000)
    service = serve(keys=file)
    first = service.http.post("/v1/counter", json={"text": "word " * 4000}, headers=limited)
    assert first.status_code == 200
    assert first.json()["windows"] == 10
    assert service.http.post("/v1/counter", json={"text": "word"}, headers=limited).status_code == 429


def test_a_key_has_only_so_many_requests_at_once(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    one, other = key(file, "one", requests_at_once=1), key(file, "other")
    engine = ControlledEngine()
    service = serve(engine, keys=file)
    with (
        paused(engine),
        service.http.stream("POST", "/v1/chat/completions", json={**CHAT, "stream": True}, headers=one),
    ):
        refused = chat(service, one)
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_requests_at_once")
        assert refused.headers["retry-after"] == "1"
        assert chat(service, other, max_tokens=1).status_code == 200
    eventually(lambda: chat(service, one).status_code == 200, "the key is free again")


def test_the_openai_client_waits_as_a_limit_says_and_then_gets_its_answer(serve: Serve) -> None:
    engine = ControlledEngine()
    service = serve(engine, concurrent_requests=1, waiting_requests=0)
    with ExitStack() as stack:
        stack.enter_context(paused(engine))
        running = service.http.stream("POST", "/v1/chat/completions", json={**CHAT, "stream": True})
        leave = ExitStack()
        leave.enter_context(running)
        leave.callback(engine.proceed.set)
        threading.Timer(0.5, leave.close).start()
        client = service.openai(retries=5)
        assert isinstance(client, openai.OpenAI)
        assert client.chat.completions.create(model="", messages=HELLO).choices  # type: ignore[arg-type]


def test_a_request_waits_for_its_turn_and_gets_503_after_too_long(serve: Serve) -> None:
    engine = ControlledEngine()
    service = serve(engine, concurrent_requests=1, waiting_requests=1, waiting_seconds=0.3)
    with paused(engine), service.http.stream("POST", "/v1/chat/completions", json={**CHAT, "stream": True}):
        late = chat(service)
        assert (late.status_code, late.json()["error"]["code"]) == (503, "overloaded")
        assert int(late.headers["retry-after"]) > 0
    eventually(lambda: chat(service).status_code == 200, "there is room again")


def test_a_long_line_of_one_key_lets_the_next_key_in_first(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    greedy, modest = key(file, "greedy"), key(file, "modest")
    asked: list[str] = []
    engine = ControlledEngine(lambda request: asked.append(_said(request)) or line_for(request))  # type: ignore[func-returns-value]
    service = serve(engine, keys=file, concurrent_requests=1, waiting_requests=6)

    def say(headers: dict[str, str], word: str) -> int:
        return chat(service, headers, messages=[{"role": "user", "content": word}]).status_code

    with ThreadPoolExecutor(16) as pool:
        with paused(engine):
            running = [pool.submit(say, greedy, "first")]
            eventually(lambda: any("first" in each for each in asked), "the first request runs")
            running += [pool.submit(say, greedy, f"greedy{each}") for each in range(7)]
            eventually(lambda: any(each.done() for each in running), "six wait, and the line is too long for one more")
            two = [pool.submit(say, modest, "modest") for _ in range(2)]
            eventually(lambda: any(each.done() for each in two), "one of the other key waits, and another may not")
        assert sorted(each.result(PATIENCE) for each in [*running, *two]) == [200] * 8 + [429] * 2
    order = [each for each in dict.fromkeys(asked) if "modest" in each or "greedy" in each]
    assert ["modest" in each for each in order].index(True) <= 1


def _said(request: Generation) -> str:
    return "".join(message.text for message in request.messages)


def test_a_long_document_leaves_room_for_another_client(serve: Serve) -> None:
    engine = ControlledEngine()
    most = 0

    def script(request: Generation) -> str:
        nonlocal most
        most = max(most, engine.active)
        return line_for(request)

    engine.script = script
    service = serve(engine, generations_per_request=4)
    with ThreadPoolExecutor() as pool, ExitStack() as stack:
        stack.enter_context(paused(engine))
        document: Future[httpx.Response] = pool.submit(
            lambda: service.http.post("/v1/counter", json={"text": "word " * 40_000})
        )
        eventually(lambda: engine.active == 4, "four parts of the document are in the engine")
        assert chat(service, max_tokens=1).status_code == 200
        stack.close()
        assert document.result(PATIENCE).json()["windows"] == 100
    assert most <= 5


def test_300_bodies_that_do_not_arrive_keep_nobody_waiting(serve: Serve) -> None:
    service = serve(concurrent_requests=4, waiting_requests=0)
    address = httpx.URL(service.url)
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n"
    with ExitStack() as stack:
        for _ in range(300):
            slow = stack.enter_context(socket.create_connection((address.host, address.port or 80), PATIENCE))
            slow.sendall(head + b'{"mess')
        assert [chat(service).status_code for _ in range(3)] == [200] * 3


def test_the_memory_of_all_bodies_has_a_limit_and_is_given_back(serve: Serve) -> None:
    service = serve(body_bytes=20_000, all_bodies_bytes=30_000)
    address = httpx.URL(service.url)
    body = json.dumps({"messages": [{"role": "user", "content": "x" * 15_000}]}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: {len(body)}\r\n\r\n".encode()

    def status() -> tuple[int, str]:
        answer = service.http.post("/v1/chat/completions", content=body, headers={"content-type": "application/json"})
        return answer.status_code, answer.json().get("error", {}).get("code", "")

    with ExitStack() as stack:

        def is_full() -> bool:
            """Send a body without its end, and a moment later a whole one: the first may have come too late."""
            slow = stack.enter_context(socket.create_connection((address.host, address.port or 80), PATIENCE))
            slow.sendall(head + body[:-1])
            time.sleep(0.1)
            return status() == (503, "too_many_bodies")

        eventually(is_full, "the memory is used")
    eventually(lambda: status()[0] != 503, "the memory is free again")


def test_turns_go_round_the_keys_and_round_the_requests_of_a_key() -> None:
    order: list[str] = []

    async def work(turns: Turns, key: str, request: str) -> None:
        async with turns.turn(key, request):
            order.append(f"{key}{request}")
            await asyncio.sleep(0)

    async def all_of_them() -> None:
        turns = Turns(1)
        names = [("a", "1")] * 4 + [("a", "2")] * 2 + [("b", "3")] * 2
        await asyncio.gather(*(work(turns, *name) for name in names))
        assert turns.waiting == 0

    asyncio.run(all_of_them())
    assert order == ["a1", "a1", "b3", "a2", "b3", "a1", "a2", "a1"]


def test_a_wait_that_is_cancelled_loses_no_turn() -> None:
    async def cancelled_at_every_moment() -> None:
        turns = Turns(2, each=1)
        for steps in range(6):
            waiting = [asyncio.create_task(_hold(turns, "a", each % 3)) for each in range(9)]
            for _ in range(steps):
                await asyncio.sleep(0)
            for task in waiting[::2]:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            assert turns.waiting == 0
            async with asyncio.timeout(1), turns.turn("b", "x"), turns.turn("b", "y"):
                assert turns.full

    asyncio.run(cancelled_at_every_moment())


async def _hold(turns: Turns, key: str, request: int) -> None:
    async with turns.turn(key, request):
        await asyncio.sleep(0)
