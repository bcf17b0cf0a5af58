"""Requests at the edges of HTTP: each is answered rightly or refused by name."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Mapping

import httpx
import pytest

from tests.serving.conftest import Serve
from tests.serving.controlled_engine import ControlledEngine
from tests.serving.http import PATIENCE, Service, eventually

CHAT = {"messages": [{"role": "user", "content": "Hello"}]}


def raw(service: Service, request: bytes) -> tuple[bytes, bytes]:
    """Send bytes and return the head and the body of the answer, read until the service closes the connection."""
    address = httpx.URL(service.url)
    with socket.create_connection((address.host, address.port or 80), PATIENCE) as connection:
        connection.sendall(request)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    return head, body


def posted(fields: Mapping[str, object], version: str = "1.1", host: bytes = b"host: a\r\n") -> bytes:
    body = json.dumps(fields).encode()
    head = f"POST /v1/chat/completions HTTP/{version}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n"
    head += "content-type: application/json\r\n"
    return head.encode() + host + b"\r\n" + body


def test_a_compressed_body_is_415_and_says_so(service: Service) -> None:
    body = gzip.compress(json.dumps(CHAT).encode())
    response = service.http.post("/v1/chat/completions", content=body, headers={"content-encoding": "gzip"})
    assert (response.status_code, response.json()["error"]["code"]) == (415, "unsupported_encoding")
    assert "gzip" in response.json()["error"]["message"]
    plain = service.http.post("/v1/chat/completions", json=CHAT, headers={"content-encoding": "identity"})
    assert plain.status_code == 200


@pytest.mark.parametrize(
    ("version", "host", "status"),
    [
        ("1.1", b"", b"400"),
        ("1.1", b"host: a\r\nhost: b\r\n", b"400"),
        ("1.1", b"host: a\r\n", b"200"),
        ("1.0", b"", b"200"),
    ],
)
def test_a_request_has_one_host_and_only_http_1_0_may_leave_it_out(
    service: Service, version: str, host: bytes, status: bytes
) -> None:
    head, body = raw(service, posted(CHAT, version, host))
    assert head.split(b" ")[1] == status
    assert (b"invalid_host" in body) == (status == b"400")


def test_a_stream_over_http_1_0_has_a_length_and_no_chunks(service: Service) -> None:
    head, body = raw(service, posted({**CHAT, "stream": True}, "1.0"))
    assert b"transfer-encoding" not in head.lower()
    assert b"content-length: %d" % len(body) in head.lower()
    assert body.startswith(b"data: {")
    assert body.endswith(b"data: [DONE]\n\n")


def test_a_stream_over_http_1_1_still_arrives_in_pieces(service: Service) -> None:
    head, _ = raw(service, posted({**CHAT, "stream": True}))
    assert b"transfer-encoding: chunked" in head.lower()


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/v1/models", "/nowhere"])
def test_head_has_the_status_and_the_length_of_get_and_no_body(service: Service, path: str) -> None:
    got, head = service.http.get(path), service.http.head(path)
    assert (head.status_code, head.headers["content-length"]) == (got.status_code, got.headers["content-length"])
    assert head.content == b""
    assert service.http.get("/livez").json() == {"status": "live"}  # the connection is still in step


def test_a_large_body_before_the_service_is_ready_gets_503_and_no_reset(serve: Serve) -> None:
    engine = ControlledEngine()
    engine.may_start.clear()
    service = serve(engine, ready=False)
    eventually(lambda: service.http.get("/livez").status_code == 200, "live")
    text = "x" * 8_000_000
    response = service.http.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": text}]})
    assert (response.status_code, response.json()["error"]["code"]) == (503, "not_ready")
    engine.may_start.set()
