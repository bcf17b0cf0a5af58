"""A client that does not read its answer loses it, and the engine is free for others."""

from __future__ import annotations

import json
import socket

import httpx

from tests.serving.conftest import Serve
from tests.serving.controlled_engine import ControlledEngine
from tests.serving.http import PATIENCE, eventually

CHAT = {"messages": [{"role": "user", "content": "Hello"}]}


def test_a_client_that_reads_nothing_loses_its_answer_and_the_engine_is_free(serve: Serve) -> None:
    engine = ControlledEngine(lambda _: "word " * 1900)
    service = serve(engine, send_seconds=0.5)
    body = json.dumps({**CHAT, "stream": True, "n": 16, "logprobs": True, "top_logprobs": 20}).encode()
    address = httpx.URL(service.url)
    with socket.socket() as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.settimeout(PATIENCE)
        lazy.connect((address.host, address.port or 80))
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: {len(body)}\r\n"
        lazy.sendall(f"{head}content-type: application/json\r\n\r\n".encode() + body)
        assert lazy.recv(1) == b"H"
        eventually(lambda: engine.active == 0, "the engine is free")
        assert service.chat(max_tokens=2).status_code == 200
        received = b"".join(iter(lambda: lazy.recv(65536), b""))
    assert b"[DONE]" not in received
