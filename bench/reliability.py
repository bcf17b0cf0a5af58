"""What the service does when its engine, its clients or its machine fail: each fault is made for real, and timed.

Every row of the table holds a limit and what was measured against it. A row that does not hold says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.faults import clients, engine
from bench.faults.service import Service, running
from bench.shared.commands import project
from bench.shared.harness import ROOT, Figure, Figures, four_digits
from bench.shared.requirements import require_vllm
from bench.shared.services import train_bundles

PAGE = ROOT / "docs" / "reliability.md"
_SLOTS = 16
_DEADLINE = 40.0  # seconds; a stopped engine is noticed after 20
_ALL_REFUSED = {400, 413, 422, 431}


@dataclass(frozen=True)
class Row:
    """One thing that must hold: what, the limit in words, the value in words, and whether it holds."""

    what: str
    limit: str
    measured: str
    holds: bool

    def figure(self) -> Figure:
        """Return the row as a figure."""
        return {"limit": self.limit, "measured": self.measured, "holds": "yes" if self.holds else "NO"}


def at_most(what: str, value: float, limit: float, unit: str) -> Row:
    """Return a row for a value with an upper limit."""
    return Row(what, f"at most {limit:g} {unit}", f"{four_digits(value):g} {unit}", value <= limit)


def equal(what: str, value: float, wanted: float) -> Row:
    """Return a row for a count or a status that must be one number."""
    return Row(what, f"{wanted:g}", f"{value:g}", value == wanted)


def measure() -> Figures:
    """Make every fault on a small bundle: those of the engine on vLLM, those of clients on the local engine."""
    require_vllm()
    with project("legal") as folder:
        (bundle,) = train_bundles(folder, ("merged",))
        rows = [*of_engine(folder, bundle), *of_clients(folder, bundle)]
    return {row.what: row.figure() for row in rows}


def of_engine(folder: Path, bundle: str) -> Iterator[Row]:
    """Yield a row for each fault of the engine or of the service's own process."""
    with running(folder, bundle, "vllm", {"answer_seconds": _DEADLINE}) as service:
        found = engine.engine_killed(service)
        yield at_most("engine killed with 16 streams: last stream ended", found["streams_ended"], 2, "s")
        yield equal("engine killed with 16 streams: streams without an error event", found["without_error"], 0)
        yield at_most("engine killed: not ready after", found["not_ready"], 1, "s")
        beyond = found["recovered"] - found["start"]
        yield at_most("engine killed: ready again, beyond the engine's own start", beyond, 10, "s")
        stopped = engine.engine_stopped(service)
        yield at_most("engine stopped but alive: not ready after", stopped["not_ready"], 30, "s")
        yield equal("engine stopped but alive: status of a request that waits", stopped["status"], 504)
        yield at_most("engine stopped but alive: the answer after", stopped["deadline"], _DEADLINE + 5, "s")
        yield equal("service killed: children left after 5 s", engine.parent_killed(service)["left"], 0)
    idle = engine.stopped_when_idle(folder, bundle)
    yield at_most("SIGTERM to an idle service: ended after", idle["ended"], 5, "s")
    for after in (2.0, 12.0):
        starting = engine.stopped_while_starting(folder, bundle, after)
        yield at_most(f"SIGTERM {after:g} s after the start: ended after", starting["ended"], 5, "s")
        yield equal(f"SIGTERM {after:g} s after the start: processes left", starting["left"], 0)


def of_clients(folder: Path, bundle: str) -> Iterator[Row]:
    """Yield a row for each fault of clients; the last two end the service."""
    with running(folder, bundle, "local", {"concurrent_requests": _SLOTS}) as service:
        yield equal("100 disconnects: slots not free after 1 s", clients.disconnects(service, _SLOTS)["refused"], 0)
        found = clients.overload(service)
        yield at_most("four times the load for 60 s: a refusal takes", found["refused_ms"], 50, "ms")
        yield equal("four times the load for 60 s: errors, and refusals without retry-after", found["errors"], 0)
    with running(folder, bundle, "local") as service:
        yield from _connections(service)
        yield from _hostile(service)
        drained = clients.drained(service)
        yield equal("SIGTERM with 32 streams: finished", drained["finished"], 32)
        yield equal("SIGTERM with 32 streams: status of a new request", drained["new"], 503)
    with running(folder, bundle, "local") as service:
        yield at_most("second SIGTERM: ended after", clients.stopped_twice(service)["ended"], 2, "s")


def _connections(service: Service) -> Iterator[Row]:
    faults: list[tuple[str, Callable[[Service], dict[str, float]]]] = [
        ("500 half-open and idle connections", clients.half_open),
        ("50 readers at one byte a second", clients.slow_readers),
    ]
    for name, fault in faults:
        found = fault(service)
        if "closed" in found:
            yield at_most(f"{name}: closed after", found["closed"], 10, "s")
        ratio = found["p99_meanwhile"] / found["p99_before"]
        yield at_most(f"{name}: p99 of others against before", ratio, 2, "times")


def _hostile(service: Service) -> Iterator[Row]:
    for name, answer in clients.hostile(service).items():
        status = int(answer["status"])
        words = f"status {status}, {answer['bytes']:g} bytes"
        held = status in _ALL_REFUSED and answer["bytes"] <= 4096
        yield Row(name, "400, 413, 422 or 431, at most 4 kB", words, held)
