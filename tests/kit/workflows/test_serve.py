"""`serve` gives a handle on a service in the background; what a start refuses is raised."""

from __future__ import annotations

import socket
from pathlib import Path

import httpx
import pytest

from kit.errors import InputError
from kit.workflows import Note, Serving, plan_serve, serve


def test_a_service_in_the_background_answers_until_its_block_ends(trained: Path) -> None:
    events: list[object] = []
    with serve(trained, engine="local", threads=1, report=events.append) as service:
        ready = events[-1]
        assert isinstance(ready, Serving)
        assert (ready.url, ready.bundles, ready.engine) == (service.url, service.bundles, "local")
        assert ready.routes[:2] == ("/v1/toy", "/v1/chat/completions")
        assert ready.curl.startswith(f"curl {service.url}/v1/toy ")
        assert "preview" in ready.status[0]
        assert any(isinstance(event, Note) and "Status: preview" in event.sentence for event in events)
        answer = httpx.post(f"{service.url}/v1/toy", json={"text": "the bakery was quick"}, timeout=60)
        assert (answer.status_code, answer.headers["x-domainkit-bundle"]) == (200, service.bundles[0])
        assert not service.wait(0)
    assert service.wait(0)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{service.url}/readyz")


def test_a_service_stops_where_the_callback_raises(trained: Path) -> None:
    urls: list[str] = []

    def report(event: object) -> None:
        if isinstance(event, Serving):
            urls.append(event.url)
            raise LookupError(event.url)

    with pytest.raises(LookupError):
        serve(trained, engine="local", threads=1, report=report)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{urls[0]}/readyz")


def test_a_port_in_use_is_refused_by_the_plan_and_by_the_start(trained: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for start in (plan_serve, serve):
            with pytest.raises(InputError, match=f"Port {port} on 127.0.0.1 is in use"):
                start(trained, engine="local", port=port)
    with pytest.raises(InputError, match="port"):
        plan_serve(trained, port=99999)
