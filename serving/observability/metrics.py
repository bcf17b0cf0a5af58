"""The metrics of one service for Prometheus. Labels are routes, bundles and statuses: never anything a client wrote."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from kit import __version__
from serving.ledger.account import Account, Accounts
from serving.ledger.entry import pinned

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OTHER_ROUTE = "other"
_FIRST_TOKEN = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
_PER_BUNDLE = ("bundle", "route")


class Metrics:
    """Counts requests and what they used; `text` is what a scrape gets."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.running = Gauge("domainkit_requests_running", "Requests that are being answered", registry=self._registry)
        self._requests = self._counter("requests", "Requests by their status", "route", "status")
        self._prompt = self._counter("prompt_tokens", "Tokens that the engine read", *_PER_BUNDLE)
        self._completion = self._counter("completion_tokens", "Tokens that the engine wrote", *_PER_BUNDLE)
        self._answers = self._counter(
            "typed_answers", "Typed answers by whether the task could read them", *_PER_BUNDLE, "valid"
        )
        self._values = self._counter("response_values", "Typed answers by a value", *_PER_BUNDLE, "field", "value")
        self._ended = self._counter("generated_requests", "Requests by how they ended", *_PER_BUNDLE, "outcome")
        self._first = self._histogram("first_token", "Seconds to the first token", _FIRST_TOKEN)
        self._seconds = self._histogram("request", "Seconds from the engine's first call to the end", _SECONDS)
        build = Gauge("domainkit_build_info", "The version that runs", ["version"], registry=self._registry)
        build.labels(__version__).set(1)

    def text(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        return generate_latest(self._registry)

    def watch(self, accounts: Accounts) -> None:
        """Show also what runs and what waits at the moment of a scrape."""
        self._registry.register(_Now(accounts))

    def responded(self, route: str, status: int) -> None:
        """Count a response."""
        self._requests.labels(route, str(status)).inc()

    def used(self, account: Account) -> None:
        """Count what a request used."""
        entry = account.entry
        labels = (pinned(entry.name, entry.bundle), entry.route)
        self._prompt.labels(*labels).inc(account.prompt_tokens)
        self._completion.labels(*labels).inc(account.completion_tokens)
        self._seconds.labels(*labels).observe(account.seconds)
        self._ended.labels(*labels, account.responded.outcome).inc()
        if account.first_token is not None:
            self._first.labels(*labels).observe(account.first_token)

    def read(self, bundle: str, route: str, valid: bool, values: Mapping[str, str]) -> None:
        """Count a typed answer: whether the task could read what the model wrote, and its values of closed sets."""
        self._answers.labels(bundle, route, "yes" if valid else "no").inc()
        for field, value in values.items():
            self._values.labels(bundle, route, field, value).inc()

    def _counter(self, name: str, help: str, *labels: str) -> Counter:
        return Counter(f"domainkit_{name}", help, labels, registry=self._registry)

    def _histogram(self, name: str, help: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(f"domainkit_{name}_seconds", help, _PER_BUNDLE, buckets=buckets, registry=self._registry)


class _Now(Collector):
    """What runs at the moment of a scrape, and what waits for the ledger's database."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        """Yield the gauges."""
        running = list(self._accounts.running)
        queued = GaugeMetricFamily("domainkit_engine_queue", "Requests without a first token yet", labels=["bundle"])
        writing = GaugeMetricFamily("domainkit_engine_writing", "Requests that the engine writes", labels=["bundle"])
        for bundle in sorted({pinned(each.entry.name, each.entry.bundle) for each in running}):
            of = [each for each in running if pinned(each.entry.name, each.entry.bundle) == bundle]
            queued.add_metric([bundle], sum(each.first_token is None for each in of))
            writing.add_metric([bundle], sum(each.first_token is not None for each in of))
        yield queued
        yield writing
        if (ledger := self._accounts.ledger) is not None:
            yield GaugeMetricFamily("domainkit_ledger_waiting", "Rows that wait for the database", ledger.waiting)
            yield GaugeMetricFamily("domainkit_ledger_healthy", "Whether the database takes rows", not ledger.problem)
            lost = ledger.uncounted["requests"]
            yield CounterMetricFamily("domainkit_ledger_uncounted", "Requests that were not recorded", lost)
