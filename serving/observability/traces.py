"""Traces for OpenTelemetry, where the settings name a collector: one span for each request, without any text."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from kit import __version__
from kit.errors import MissingExtra

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

_NANO = 1_000_000_000
_NAMES = {
    "method": "http.request.method",
    "route": "http.route",
    "status": "http.response.status_code",
    "prompt_tokens": "gen_ai.usage.input_tokens",
    "completion_tokens": "gen_ai.usage.output_tokens",
    "bundle": "gen_ai.request.model",
}
"""OpenTelemetry's own names for facts that have one; the others are under `domainkit.`."""


def to_collector(url: str) -> Traces:
    """Return traces that go to a collector by OTLP over HTTP. Raises MissingExtra without OpenTelemetry's packages."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ModuleNotFoundError:
        raise MissingExtra("opentelemetry-exporter-otlp-proto-http", "traces") from None
    return Traces(OTLPSpanExporter(endpoint=f"{url.rstrip('/')}/v1/traces"))


class Traces:
    """Makes spans, and hands them to an exporter in a thread."""

    def __init__(self, exporter: SpanExporter) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        resource = Resource({"service.name": "domainkit", "service.version": __version__})
        self._provider: TracerProvider = TracerProvider(resource=resource)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("serving")

    def told(self, facts: dict[str, Any], parent: str) -> None:
        """Make the span of a request that has just ended; `parent` is the client's `traceparent`, if it is one."""
        from opentelemetry.trace import SpanKind, Status, StatusCode
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        end = time.time_ns()
        context = TraceContextTextMapPropagator().extract({"traceparent": parent})
        span = self._tracer.start_span(
            f"{facts['method']} {facts['route']}",
            context,
            SpanKind.SERVER,
            {_NAMES.get(name, f"domainkit.{name}"): value for name, value in facts.items()},
            start_time=end - round(facts["seconds"] * _NANO),
        )
        if facts["status"] >= 500:
            span.set_status(Status(StatusCode.ERROR))
        span.end(end)

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()
