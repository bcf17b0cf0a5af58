"""Keys that open the service: make, list, revoke and rotate them. A running service follows at its next request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

KEEP_OLD = "24h"


@dataclass(frozen=True)
class KeySummary:
    """A key without its token. Times are UTC, in ISO 8601; `state` is "in use", "was revoked" or "has expired".

    No `bundles` or `routes` means all of them.
    """

    id: str
    name: str
    state: str
    created: str
    expires: str | None
    bundles: tuple[str, ...]
    routes: tuple[str, ...]
    admin: bool
    limits: Mapping[str, int]


@dataclass(frozen=True)
class NewToken:
    """A key with its new token, which is shown only now: the file has its SHA-256."""

    key: KeySummary
    token: str
    file: Path


def new_key(
    name: str,
    *,
    project: str | Path = ".",
    file: str | Path | None = None,
    bundles: Sequence[str] = (),
    routes: Sequence[str] = (),
    admin: bool = False,
    expires: str | None = None,
    limits: Mapping[str, int] | None = None,
) -> NewToken:
    """Make a key for someone, and return its token.

    `file` is the file of keys (default: DOMAINKIT_KEYS, else keys.json of the project). `bundles` (names or beginnings
    of digests) and `routes` (paths; `/*` at the end for all below) are what the key opens, and `admin` opens the routes
    under /admin. `expires` is a time from now, such as 90d or 12h, or a date. `limits` are those of this key, by name:
    requests_per_minute, requests_at_once, tokens_per_minute, tokens_per_day.

    Raises InputError if a key in use has this name.
    """
    from kit.workflows.steps.keys import Scopes, made

    return made(Path(project), file, name, Scopes(tuple(bundles), tuple(routes), admin), expires, limits or {})


def list_keys(*, project: str | Path = ".", file: str | Path | None = None) -> tuple[KeySummary, ...]:
    """Return every key, also those that have ended. Raises InputError if there is no file of keys."""
    from kit.workflows.steps.keys import listed

    return listed(Path(project), file)


def revoke_key(ref: str, *, project: str | Path = ".", file: str | Path | None = None) -> KeySummary:
    """End a key now; `ref` is its id or its name. Raises InputError if no key in use is called so."""
    from kit.workflows.steps.keys import revoked

    return revoked(Path(project), file, ref)


def rotate_key(
    ref: str, *, project: str | Path = ".", file: str | Path | None = None, keep_old: str = KEEP_OLD
) -> NewToken:
    """Give a key a new token; the old one still opens the service for `keep_old`, such as 24h, or 0s for not at all.

    Raises InputError if no key in use is called so.
    """
    from kit.workflows.steps.keys import rotated

    return rotated(Path(project), file, ref, keep_old)
