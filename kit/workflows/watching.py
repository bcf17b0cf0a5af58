"""What a running service does right now, read from its metrics and its readiness."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class BundleLoad:
    """What one bundle does.

    `waiting` requests have no token yet, `writing` ones have. The counts are since the service started; the rates and
    `first_token_seconds` (a mean) are since the look before, None where nothing happened. `readable` is the share of
    typed answers that the task could read.
    """

    bundle: str
    waiting: int
    writing: int
    requests: int
    failed: int
    prompt_tokens: int
    completion_tokens: int
    tokens_per_second: float | None = None
    first_token_seconds: float | None = None
    readable: float | None = None


@dataclass(frozen=True)
class ServiceLoad:
    """One look at a service. `samples` are its metrics by name and labels, for the next look to compare with.

    `refused` counts responses with a status of 400 or more, except to probes. `ledger_waiting`: None without ledger.
    """

    url: str
    ready: bool
    reason: str
    at: float
    running: int = 0
    refused: int = 0
    bundles: tuple[BundleLoad, ...] = ()
    ledger_waiting: int | None = None
    ledger_healthy: bool = True
    samples: Mapping[tuple[str, tuple[tuple[str, str], ...]], float] = field(default_factory=dict, repr=False)


def service_load(url: str, *, key: str = "", before: ServiceLoad | None = None) -> ServiceLoad:
    """Look at a running service (GET /readyz and /metrics); rates are since the look `before`.

    `key` is an API key, where the service asks for one. Raises InputError if nothing of ours answers there, or the key
    does not open the metrics.
    """
    from kit.workflows.steps.watching import looked

    return looked(url, key, before)
