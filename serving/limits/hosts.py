"""The Host header: only the names of this service are answered, so that another site's name cannot lead to it."""

from __future__ import annotations

from collections.abc import Sequence

from serving.errors import ServiceError


def refuse_other_host(host: str, allowed: Sequence[str]) -> None:
    """Raise ServiceError (421) for a Host header with another name than those of the service; none means any."""
    name = host.rpartition("]")[0].lstrip("[") if host.startswith("[") else host.partition(":")[0]
    if allowed and name.lower().rstrip(".") not in {each.lower() for each in allowed}:
        raise ServiceError(421, "unknown_host", "This service does not answer under this name (header Host).")
