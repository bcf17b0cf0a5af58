"""Reads the metrics of a running service."""

from __future__ import annotations

import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping

from kit.errors import InputError
from kit.workflows.steps.aliases import asked
from kit.workflows.watching import BundleLoad, ServiceLoad

Samples = Mapping[tuple[str, tuple[tuple[str, str], ...]], float]
_SECONDS = 10
_PROBED = ("/livez", "/readyz", "/health")
_SAMPLE = re.compile(r"(\w+)(?:\{(.*)\})? (\S+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def looked(url: str, key: str, before: ServiceLoad | None) -> ServiceLoad:
    """Return what a service does now."""
    state = asked(url)
    samples, now = _samples(_text(state.url, key)), time.monotonic()
    earlier: Samples = before.samples if before else {}
    seconds = now - before.at if before else 0.0
    names = sorted({bundle for (_, labels), _ in samples.items() if (bundle := dict(labels).get("bundle"))})
    waiting = samples.get(("domainkit_ledger_waiting", ()))
    return ServiceLoad(
        url=state.url,
        ready=state.ready,
        reason=state.reason,
        at=now,
        running=max(round(_sum(samples, "domainkit_requests_running")) - 1, 0),  # one is this look itself
        refused=round(sum(_refused(samples))),
        bundles=tuple(_load(name, samples, earlier, seconds) for name in names),
        ledger_waiting=None if waiting is None else round(waiting),
        ledger_healthy=samples.get(("domainkit_ledger_healthy", ()), 1.0) == 1.0,
        samples=samples,
    )


def _text(url: str, key: str) -> str:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    try:
        with urllib.request.urlopen(
            urllib.request.Request(f"{url}/metrics", headers=headers), timeout=_SECONDS
        ) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        advice = (
            "Give an API key that opens /metrics, in the variable DOMAINKIT_KEY." if error.code in (401, 403) else ""
        )
        raise InputError(f"The service shows no metrics: status {error.code}.", f"--url {url}", advice) from None
    except OSError as error:
        raise InputError(f"The service shows no metrics: {getattr(error, 'reason', error)}.", f"--url {url}") from None


def _samples(text: str) -> Samples:
    """Return the samples of Prometheus's text format, by name and sorted labels."""
    found = {}
    for line in text.splitlines():
        if match := _SAMPLE.fullmatch(line):
            name, labels, value = match.groups()
            found[name, tuple(sorted(_LABEL.findall(labels or "")))] = float(value)
    return found


def _of(samples: Samples, name: str, **labels: str) -> Iterator[tuple[dict[str, str], float]]:
    """Yield the series of a metric that have these labels."""
    for (each, pairs), value in samples.items():
        if each == name and labels.items() <= dict(pairs).items():
            yield dict(pairs), value


def _sum(samples: Samples, name: str, **labels: str) -> float:
    return sum(value for _, value in _of(samples, name, **labels))


def _refused(samples: Samples) -> Iterator[float]:
    """Yield how many requests got a status of 400 or more; those of probes do not count."""
    for labels, value in _of(samples, "domainkit_requests_total"):
        if labels["status"] >= "4" and labels["route"] not in _PROBED:
            yield value


def _load(bundle: str, samples: Samples, before: Samples, seconds: float) -> BundleLoad:
    def total(name: str, **labels: str) -> float:
        return _sum(samples, f"domainkit_{name}", bundle=bundle, **labels)

    def since(name: str) -> float:
        return total(name) - _sum(before, f"domainkit_{name}", bundle=bundle)

    firsts, typed = since("first_token_seconds_count"), total("typed_answers_total")
    return BundleLoad(
        bundle=bundle,
        waiting=round(total("engine_queue")),
        writing=round(total("engine_writing")),
        requests=round(total("generated_requests_total")),
        failed=round(total("generated_requests_total", outcome="failed")),
        prompt_tokens=round(total("prompt_tokens_total")),
        completion_tokens=round(total("completion_tokens_total")),
        tokens_per_second=since("completion_tokens_total") / seconds if seconds else None,
        first_token_seconds=since("first_token_seconds_sum") / firsts if firsts else None,
        readable=total("typed_answers_total", valid="yes") / typed if typed else None,
    )
