"""Which request a piece of work belongs to, in every task that it starts."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

from serving.guard.caller import Caller, Scopes


@dataclass(frozen=True, eq=False)
class Asking:
    """One request: two are never equal."""

    caller: Caller


SERVICE = Asking(Caller("service", "service", Scopes()))  # the service's own work, such as the proofs of its start
SHADOW = Asking(Caller("shadow", "shadow", Scopes()))  # copies of requests, which wait for each other
asking: ContextVar[Asking] = ContextVar("asking", default=SERVICE)
