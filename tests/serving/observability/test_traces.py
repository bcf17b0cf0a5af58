"""A span for each request goes to a collector, with ids and numbers and no text."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from tests.serving.conftest import Serve
from tests.serving.http import eventually

pytest.importorskip("opentelemetry.exporter.otlp.proto.http")


@contextmanager
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """Run a server that keeps what it is sent."""
    bodies: list[bytes] = []

    class Keep(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Keep)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", bodies
    finally:
        server.shutdown()


def spans(bodies: list[bytes]) -> list[Any]:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    found = [ExportTraceServiceRequest.FromString(body) for body in bodies]
    return [
        span for each in found for group in each.resource_spans for scope in group.scope_spans for span in scope.spans
    ]


def test_each_request_has_a_span_in_the_clients_trace_and_no_text(serve: Serve) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    with collector() as (url, bodies):
        service = serve(traces=url)
        headers = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01", "x-request-id": "mine"}
        body = {"messages": [{"role": "user", "content": "canary in a prompt"}]}
        assert service.http.post("/v1/chat/completions", json=body, headers=headers).status_code == 200
        chat = "POST /v1/chat/completions"
        eventually(lambda: any(each.name == chat for each in spans(bodies)), "the span arrives")
    [span] = [each for each in spans(bodies) if each.name == chat]
    assert span.trace_id.hex() == trace
    facts = {each.key: each.value for each in span.attributes}
    assert facts["domainkit.request_id"].string_value == "mine"
    assert facts["http.response.status_code"].int_value == 200
    assert facts["gen_ai.usage.output_tokens"].int_value > 0
    assert b"canary" not in b"".join(bodies)
