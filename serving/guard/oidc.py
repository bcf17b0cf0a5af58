"""Bearer tokens of an OpenID Connect issuer: signed JSON web tokens, checked with the issuer's published keys."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import time
from collections.abc import Mapping
from typing import Any

import httpx
import jwt

from serving.errors import ServiceError
from serving.guard.caller import Caller, Scopes
from serving.guard.oidc_settings import SAFE_ADDRESS, OidcSettings

_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
_LEEWAY_SECONDS = 30
_FRESH_SECONDS, _USABLE_SECONDS = 3600.0, 86_400.0
_SECONDS_BETWEEN_REQUESTS = 30.0  # a token with an unknown key makes the service ask, but not more often
_TIMEOUT_SECONDS = 5.0
_DISCOVERY = "/.well-known/openid-configuration"
_log = logging.getLogger(__name__)


def is_web_token(token: str) -> bool:
    """Whether a token has the form of a signed JSON web token."""
    return token.count(".") == 2


class Issuer:
    """Says whose token it is. The issuer's keys are fetched when they are needed, and kept."""

    def __init__(self, settings: OidcSettings) -> None:
        self._settings = settings
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._fetched = self._asked = float("-inf")
        self._asking = asyncio.Lock()

    async def caller(self, token: str) -> Caller:
        """Return whose token it is.

        Raises ServiceError: 401 for a token that is not valid, 403 for one without the scope that the service needs,
        503 if the issuer's keys cannot be had.
        """
        try:
            header = jwt.get_unverified_header(token)
            key = await self._key(header.get("kid"))
            claims = jwt.decode(
                token,
                key,
                algorithms=_ALGORITHMS,
                audience=self._settings.audience,
                issuer=self._settings.issuer,
                leeway=_LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.PyJWTError as error:
            raise _invalid(str(error)) from None
        return self._named(claims)

    def _named(self, claims: Mapping[str, Any]) -> Caller:
        scopes = set(str(claims.get("scope", "")).split())
        needed, admin = self._settings.required_scope, self._settings.admin_scope
        if needed is not None and needed not in scopes:
            raise ServiceError(403, "scope_missing", f"The token has no scope '{needed}'.")
        subject = str(claims["sub"])
        id = hashlib.sha256(f"{self._settings.issuer}\0{subject}".encode()).hexdigest()[:16]
        return Caller(f"oidc_{id}", subject, Scopes(admin=admin is not None and admin in scopes))

    async def _key(self, id: str | None) -> jwt.PyJWK:
        """Return a key of the issuer. Raises ServiceError: 401 if it has no such key, 503 if it cannot be asked."""
        if id in self._keys and time.monotonic() - self._fetched <= _FRESH_SECONDS:
            return self._keys[id]
        async with self._asking:
            now = time.monotonic()
            stale = now - self._fetched > _FRESH_SECONDS
            if (stale or id not in self._keys) and now - self._asked > _SECONDS_BETWEEN_REQUESTS:
                self._asked = now
                await self._fetch()
            if time.monotonic() - self._fetched > _USABLE_SECONDS:
                message = "The issuer of the tokens cannot be asked for its keys. Try again later."
                raise ServiceError(503, "issuer_unreachable", message, headers={"retry-after": "30"})
        if id not in self._keys:
            raise _invalid("the issuer has no such key")
        return self._keys[id]

    async def _fetch(self) -> None:
        """Ask the issuer for its keys; keep the old ones if it does not answer well."""
        issuer = self._settings.issuer.rstrip("/")
        try:
            async with httpx.AsyncClient(timeout=_TIMEOUT_SECONDS) as client:
                found = (await client.get(issuer + _DISCOVERY)).raise_for_status().json()
                address = str(found["jwks_uri"])
                if found["issuer"] != self._settings.issuer or not re.match(SAFE_ADDRESS, address):
                    raise ValueError(f"it names the issuer {found['issuer']} and the keys {address}")
                published = (await client.get(address)).raise_for_status().json()
            self._keys = {key.key_id: key for key in jwt.PyJWKSet.from_dict(published).keys}
            self._fetched = time.monotonic()
        except (httpx.HTTPError, jwt.PyJWTError, ValueError, KeyError, TypeError) as error:
            _log.error("The issuer %s did not say its keys. %s: %s", issuer, type(error).__name__, error)


def _invalid(reason: str) -> ServiceError:
    headers = {"www-authenticate": 'Bearer realm="domainkit", error="invalid_token"'}
    return ServiceError(401, "invalid_token", f"The token is not valid: {reason.rstrip('.')}.", headers=headers)
