"""The head of a request: too large, too many headers or too slow is refused, and it costs no memory."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from serving.limits import heads
from tests.serving.http import PATIENCE, Service, eventually

LINE = b"GET /v1/models HTTP/1.1\r\nhost: a\r\n"


@contextmanager
def connected(service: Service) -> Iterator[socket.socket]:
    address = httpx.URL(service.url)
    with socket.create_connection((address.host, address.port or 80), PATIENCE) as connection:
        yield connection


def answer(connection: socket.socket) -> tuple[int, str]:
    """Read until the service closes the connection; return the status and the error's code."""
    received = b"".join(iter(lambda: _received(connection), b""))
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"connection: close" in head.lower()
    return int(head.split(b" ")[1]), json.loads(body)["error"]["code"]


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except ConnectionResetError:
        return b""


@pytest.mark.parametrize(
    "headers",
    [
        {"x-long": "a" * 17_000},
        {f"x-{each}": "a" for each in range(101)},
        {f"x-{each}": "a" * 300 for each in range(60)},
    ],
    ids=["one long header", "101 headers", "60 headers of 300 bytes"],
)
def test_a_head_that_is_too_large_is_431(service: Service, headers: dict[str, str]) -> None:
    refused = service.http.get("/v1/models", headers=headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (431, "headers_too_large")
    assert service.http.get("/v1/models", headers={f"x-{each}": "a" for each in range(80)}).status_code == 200
    assert service.http.get("/v1/models", headers={"x-long": "a" * 15_000}).status_code == 200
    assert service.http.get(f"/v1/models/{'a' * 17_000}").status_code == 431


def test_an_endless_header_ends_the_connection_after_kilobytes(service: Service) -> None:
    sent = 0
    with connected(service) as connection:
        connection.sendall(LINE + b"x-endless: ")
        try:
            while sent < 30_000_000:
                connection.sendall(b"a" * 4096)
                sent += 4096
                time.sleep(0.001)
        except OSError:
            pass
    assert sent < 10_000_000
    print(f"{sent} bytes")


def test_a_header_that_grows_slowly_is_answered_with_431(service: Service) -> None:
    with connected(service) as connection:
        connection.sendall(LINE + b"x-endless: ")
        for _ in range(5):
            time.sleep(0.02)
            connection.sendall(b"a" * 4000)
        assert answer(connection) == (431, "headers_too_large")
    assert service.http.get("/livez").status_code == 200


def test_trailers_and_chunk_extensions_have_the_same_limit(service: Service) -> None:
    chunked = b"POST /v1/models HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
    for start in (b"0\r\nx-endless: ", b"5;extension="):
        with connected(service) as connection:
            connection.sendall(chunked + start)
            eventually(lambda: not _accepts(connection, b"a" * 4000), "the connection is closed")


def _accepts(connection: socket.socket, data: bytes) -> bool:
    try:
        connection.sendall(data)
    except OSError:
        return False
    return True


def test_a_head_that_does_not_arrive_in_time_is_408_and_silence_is_closed(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heads, "_SECONDS", 0.3)
    with connected(service) as connection:
        connection.sendall(LINE)
        assert answer(connection) == (408, "headers_too_slow")
    with connected(service) as connection:
        assert connection.recv(1) == b""
    with connected(service) as connection:  # a second head on a kept connection has the same time
        connection.sendall(LINE + b"\r\n")
        assert b" 200 " in connection.recv(65536)
        connection.sendall(LINE)
        time.sleep(0.1)
        connection.sendall(b"x-more: a\r\n")
        assert answer(connection) == (408, "headers_too_slow")


def test_many_requests_at_once_on_one_connection_are_all_answered(service: Service) -> None:
    get = b"GET /livez HTTP/1.1\r\nhost: a\r\nx-padding: " + b"a" * 9000 + b"\r\n"
    with connected(service) as connection:
        connection.sendall((get + b"\r\n") * 5 + get + b"connection: close\r\n\r\n")
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    assert received.count(b"HTTP/1.1 200 OK") == 6
