"""The running service: its socket, its announcement, its shutdown."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from kit.bundle.store import Bundle
from kit.errors import InputError, Refused
from serving.models.catalogue import Deployed
from serving.server import listen, serve
from serving.settings import Settings
from tests.serving.controlled_engine import ControlledEngine
from tests.serving.http import PATIENCE

HELLO = {"messages": [{"role": "user", "content": "Hello"}], "stream": True}


@contextmanager
def process(bundle: Bundle) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start a service on a free port; yield it with the URL that it announces."""
    command = [sys.executable, "-m", "tests.serving.process", str(bundle.folder), bundle.digest, "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            yield running, running.stdout.readline().strip()
        finally:
            running.kill()


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_running_answers_finish_after_a_signal_before_the_service_ends(bundle: Bundle, sent: signal.Signals) -> None:
    with process(bundle) as (running, url):
        with httpx.stream("POST", f"{url}/v1/chat/completions", json=HELLO, timeout=PATIENCE) as answer:
            pieces = answer.iter_text()
            first = next(pieces)
            running.send_signal(sent)
            text = first + "".join(pieces)
        assert '"content":" three"' in text
        assert text.endswith("data: [DONE]\n\n")
        assert running.wait(PATIENCE) == -sent
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{url}/livez")
        assert running.stdout is not None
        assert "stopped" in running.stdout.read()


def test_a_port_in_use_is_reported_before_anything_is_loaded(bundle: Bundle) -> None:
    engine = ControlledEngine()
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"Port {port} on 127.0.0.1 is in use"):
            asyncio.run(serve(Settings(port=port), engine, [Deployed(bundle, "verified")], print))
    assert not engine.started


@pytest.mark.parametrize("host", ["192.0.2.7", "no-such-host.invalid"])
def test_an_address_of_another_machine_is_refused(bundle: Bundle, host: str) -> None:
    settings = Settings(host=host, port=0, expose_without_keys=True)
    with pytest.raises(InputError, match=f"Cannot listen on {host}"):
        asyncio.run(serve(settings, ControlledEngine(), [Deployed(bundle, "verified")], print))


def test_a_refusal_is_raised_without_announcement_and_stops_the_engine(bundle: Bundle) -> None:
    engine = ControlledEngine()
    engine.answers_as_base = True
    announced: list[str] = []
    with pytest.raises(Refused, match="as the base model does"):
        asyncio.run(serve(Settings(port=0), engine, [Deployed(bundle, "verified")], announced.append))
    assert announced == []
    assert engine.stopped


def test_a_preview_beyond_loopback_is_refused_before_the_engine_starts(bundle: Bundle) -> None:
    engine = ControlledEngine()
    with pytest.raises(Refused, match="preview"):
        asyncio.run(serve(Settings(host="0.0.0.0", port=0), engine, [Deployed(bundle, "preview")], print))
    assert not engine.started
