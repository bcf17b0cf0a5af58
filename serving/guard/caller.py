"""Who sent a request: a key's public id, its name, and what it may do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from serving.guard.key_limits import NO_LIMITS, KeyLimits

if TYPE_CHECKING:  # `kit keys` needs no web framework
    from starlette.types import Scope

ADMIN_ROUTES = "/admin"


@dataclass(frozen=True)
class Scopes:
    """What a key may do. No bundles or no routes means all of them, except that `admin` opens the routes under /admin.

    A bundle is named by its name or the beginning of its digest, a route by its path; `/*` at the end of a path stands
    for everything below it.
    """

    bundles: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    admin: bool = False

    def allow_route(self, path: str) -> bool:
        """Whether a request may go to this path."""
        if path == ADMIN_ROUTES or path.startswith(f"{ADMIN_ROUTES}/"):
            return self.admin
        return not self.routes or any(_covers(route, path) for route in self.routes)

    def allow_bundle(self, name: str, digest: str) -> bool:
        """Whether this bundle may answer."""
        return not self.bundles or any(each == name or digest.startswith(each) for each in self.bundles)


def _covers(route: str, path: str) -> bool:
    return path == route or (route.endswith("/*") and path.startswith(route[:-1]))


@dataclass(frozen=True)
class Caller:
    """The caller of one request. `key_id` is public: it is written to logs and accounts, and opens nothing."""

    key_id: str
    name: str
    scopes: Scopes
    limits: KeyLimits = NO_LIMITS


ANONYMOUS = Caller("anonymous", "anonymous", Scopes())
LOCAL = Caller("anonymous", "anonymous", Scopes(admin=True))


def caller_of(scope: Scope) -> Caller:
    """Return who sent a request; the middleware has recorded it in the request's state."""
    caller: Caller = scope["state"].get("caller", ANONYMOUS)
    return caller
