"""The engine on another server: token ids with vLLM's own server, and relayed messages that prove nothing."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from kit.base import NANO
from kit.engines.base import EngineConfig
from kit.engines.local import LocalEngine
from kit.engines.upstream.engine import UpstreamEngine
from kit.engines.upstream.settings import UpstreamSettings
from kit.engines.vllm.environment import starting_environment
from kit.errors import InputError, KitError
from kit.task import Message, Prompt
from serving.app import create_app
from serving.models.catalogue import Deployed
from serving.server import listen
from serving.settings import Settings
from tests.kit.engines.parts import QUESTIONS, RENDERER, Finding, ask
from tests.kit.engines.settings_checks import CHECKS, Check
from tests.serving.bundles import weightless_bundle
from tests.serving.controlled_engine import LINE, ControlledEngine
from tests.serving.http import Service, running

START_SECONDS = 240


@pytest.fixture(scope="module")
def vllm_server() -> Iterator[str]:
    """Run vLLM's own server on nano; give its address."""
    with listen("127.0.0.1", 0) as free:
        port = int(free.getsockname()[1])
    words = ["--model", str(NANO), "--host", "127.0.0.1", "--port", str(port), "--served-model-name", "nano"]
    words += ["--dtype", "bfloat16", "--enforce-eager", "--no-enable-chunked-prefill", "--max-model-len", "2048"]
    grammar = '{"backend": "xgrammar", "disable_any_whitespace": true}'
    words += ["--generation-config", "vllm", "--structured-outputs-config", grammar]
    with starting_environment(None):
        command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", *words]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(process, f"http://127.0.0.1:{port}/health")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)


def _wait(process: subprocess.Popen[bytes], url: str) -> None:
    end = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < end:
        try:
            with urlopen(url):
                return
        except OSError:
            time.sleep(0.5)
    raise AssertionError("vLLM's server did not start.")


@pytest.fixture(scope="module")
def upstream(vllm_server: str, loop: asyncio.Runner) -> Iterator[UpstreamEngine]:
    engine = UpstreamEngine(EngineConfig(NANO, max_length=2048, upstream=UpstreamSettings(url=vllm_server)))
    loop.run(engine.start())
    yield engine
    loop.run(engine.stop())


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, ControlledEngine]]:
    """A server that takes messages: this project's own service on a scripted engine."""
    engine = ControlledEngine()
    bundle = weightless_bundle(tmp_path_factory.mktemp("relay"))
    with running(create_app(Settings(), engine, [Deployed(bundle, "preview")])) as service:
        yield service, engine


def relaying(url: str, model: str | None = None) -> UpstreamEngine:
    settings = UpstreamSettings(url=url, mode="messages", model=model)
    return UpstreamEngine(EngineConfig(NANO, max_length=2048, upstream=settings))


@pytest.mark.vllm
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_every_sampling_setting_acts(upstream: UpstreamEngine, loop: asyncio.Runner, check: Check) -> None:
    loop.run(check(upstream))


@pytest.mark.vllm
def test_scores_over_http_are_those_of_the_weights(
    upstream: UpstreamEngine, local: LocalEngine, loop: asyncio.Runner
) -> None:
    ids = ask(QUESTIONS[1]).ids
    gaps = [abs(a - b) for a, b in zip(loop.run(upstream.score(ids)), loop.run(local.score(ids)), strict=True)]
    assert sum(gaps) / len(gaps) < 0.05
    assert upstream.capabilities.proves


@pytest.mark.vllm
def test_typed_answers_keep_their_shape(upstream: UpstreamEngine, loop: asyncio.Runner) -> None:
    answer = loop.run(upstream.generate(ask(QUESTIONS[3], Finding, 96)))
    assert answer.finish != "stop" or Finding.model_validate_json(answer.text)
    assert answer.text.startswith('{"label":"')


@pytest.mark.vllm
def test_leaving_a_stream_early_is_no_error(upstream: UpstreamEngine, loop: asyncio.Runner) -> None:
    async def first() -> str:
        stream = upstream.stream(ask(QUESTIONS[0], max_tokens=64, stop_ids=()))
        async for delta in stream:
            await stream.aclose()  # type: ignore[attr-defined]
            return delta.text
        return ""

    assert loop.run(first())
    loop.run(upstream.health())


def test_messages_are_relayed_and_prove_nothing(relay: tuple[Service, ControlledEngine], loop: asyncio.Runner) -> None:
    service, behind = relay
    engine = relaying(service.url)
    loop.run(engine.start())
    dialogue = (Message.of("user", "Hello"),)
    request = ask("Hello")
    answer = loop.run(engine.generate(type(request)(request.ids, request.sampling, messages=dialogue)))
    assert (answer.text, answer.finish) == (LINE, "stop")
    assert behind.requests[-1].ids == RENDERER.prompt(Prompt(request.answer, 24, dialogue))
    assert not engine.capabilities.proves
    with pytest.raises(InputError, match="no dialogue"):
        loop.run(engine.generate(request))
    with pytest.raises(KitError, match="no log-probabilities"):
        loop.run(engine.score(request.ids))
    loop.run(engine.stop())


def test_a_service_in_front_of_it_says_unproved_in_every_answer(
    relay: tuple[Service, ControlledEngine], tmp_path: Path
) -> None:
    behind, _ = relay
    bundle = weightless_bundle(tmp_path)
    app = create_app(Settings(), relaying(behind.url), [Deployed(bundle, "unproved")])
    with running(app) as front:
        answer = front.chat()
        assert answer.json()["choices"][0]["message"]["content"] == LINE
        assert answer.headers["x-domainkit-status"] == "unproved"
        assert front.http.get("/readyz").json()["models"][0]["status"] == "unproved"
        assert "unproved" in front.http.get("/scores").text
        raw = front.http.post("/v1/completions", json={"prompt": "Once"})
        assert raw.status_code == 400
        assert "no dialogue" in raw.json()["error"]["message"]
        assert front.http.post("/v1/counter", json={"text": "x"}).status_code == 200


def test_a_wrong_model_is_refused_with_those_that_exist(
    relay: tuple[Service, ControlledEngine], loop: asyncio.Runner
) -> None:
    service, _ = relay
    with pytest.raises(InputError, match=r"no model 'cuonter'.*counter"):
        loop.run(relaying(service.url, "cuonter").start())


def test_a_server_that_is_not_there_is_named(loop: asyncio.Runner) -> None:
    with listen("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    with pytest.raises(KitError, match=rf"127\.0\.0\.1:{port}: .* does not answer"):
        loop.run(relaying(f"http://127.0.0.1:{port}").start())
