"""The gate: every path except liveness and readiness needs a key, and every key only opens what its scopes name."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime

from starlette.datastructures import Headers
from starlette.types import Scope

from kit.errors import InputError
from serving.errors import NO_RETRY, ServiceError
from serving.guard.caller import ANONYMOUS, LOCAL, Caller
from serving.guard.keys import KeyFile
from serving.guard.oidc import Issuer, is_web_token
from serving.limits.hosts import refuse_other_host
from serving.settings import Settings

PUBLIC_PATHS = frozenset({"/livez", "/readyz"})
_KEY_HEADERS = ("x-api-key", "api-key")
_CHALLENGE: Mapping[str, str] = {"www-authenticate": 'Bearer realm="domainkit"'}
_log = logging.getLogger(__name__)


class Gate:
    """Says who sends a request. Without keys and without an issuer everybody is the same anonymous caller."""

    def __init__(self, settings: Settings) -> None:
        self._keys = KeyFile(settings.keys) if settings.keys is not None else None
        self._issuer = Issuer(settings.oidc) if settings.oidc is not None else None
        self._nobody = ANONYMOUS if settings.beyond_loopback else LOCAL
        self._hosts = settings.hosts

    async def caller(self, scope: Scope) -> Caller:
        """Return who sends a request.

        Raises ServiceError: 401 without a key that opens the service, 403 for a route that the key does not open, 421
        for a host that is not this service.
        """
        if scope["path"] in PUBLIC_PATHS:
            return ANONYMOUS
        headers = Headers(scope=scope)
        refuse_other_host(headers.get("host", ""), self._hosts)
        caller = await self._identified(_token(headers))
        if not caller.scopes.allow_route(scope["path"]):
            raise ServiceError(403, "route_not_allowed", "This key does not open this route. Ask for another key.")
        return caller

    async def _identified(self, token: str) -> Caller:
        if self._keys is None and self._issuer is None:
            return self._nobody
        if not token:
            message = "Send a key: Authorization: Bearer KEY (or x-api-key: KEY)."
            raise ServiceError(401, "missing_api_key", message, headers=_CHALLENGE)
        if self._issuer is not None and (self._keys is None or is_web_token(token)):
            return await self._issuer.caller(token)
        assert self._keys is not None
        return _with_key(self._keys, token)


def _with_key(keys: KeyFile, token: str) -> Caller:
    now = datetime.now(UTC)
    try:
        key = keys.ring().find(token.encode("latin-1"), now)
    except InputError as error:
        _log.error("No request is answered. %s", error)
        message = "The service cannot read its keys. Tell whoever runs it."
        raise ServiceError(503, "keys_unreadable", message, headers=NO_RETRY) from None
    if key is None:
        raise ServiceError(401, "invalid_api_key", "This key is not known here.", headers=_CHALLENGE)
    if ended := key.ended(now):
        raise ServiceError(401, "invalid_api_key", f"This key {ended}.", headers=_CHALLENGE)
    return key.caller


def _token(headers: Headers) -> str:
    """Return the token of a request: from `Authorization: Bearer`, or from the header of Anthropic's or Azure's
    clients; "" if there is none.
    """
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return value.strip()
    return next((found for name in _KEY_HEADERS if (found := headers.get(name, "").strip())), "")
