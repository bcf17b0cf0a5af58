"""HTTP to the other server: requests, streams, and errors as sentences."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator
from typing import Any

import httpx

from kit.engines.upstream.settings import UpstreamSettings
from kit.errors import InputError, KitError, nearest

_SECONDS = httpx.Timeout(600.0, connect=5.0)
_DATA = "data:"
_LONGEST_REASON = 300


class Connection:
    """Kept connections to one server."""

    def __init__(self, settings: UpstreamSettings) -> None:
        self._settings = settings
        key = os.environ.get(settings.key_variable, "") if settings.key_variable else ""
        headers = {"authorization": f"Bearer {key}"} if key else {}
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=64)
        base = settings.url.rstrip("/").removesuffix("/v1")
        self._client = httpx.AsyncClient(base_url=base, headers=headers, timeout=_SECONDS, limits=limits)

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    async def models(self) -> dict[str, dict[str, Any]]:
        """Return the server's models by id. Raises KitError if it cannot be reached."""
        response = await self._sent("GET", "/v1/models", None)
        return {str(model["id"]): model for model in response.json().get("data", [])}

    async def choose(self) -> dict[str, Any]:
        """Return the model to ask: the one of the settings, or the only one. Raises InputError if there is none."""
        known = await self.models()
        wanted = self._settings.model
        if wanted is None and len(known) == 1:
            return next(iter(known.values()))
        if wanted in known:
            return known[str(wanted)]
        listed = f"It has: {', '.join(sorted(known)) or 'none'}."
        if wanted is None:
            what, advice = "The server has several models.", f"Name one in upstream.model. {listed}"
        else:
            what, advice = f"The server has no model '{wanted}'.", nearest(wanted, sorted(known)) or listed
        raise InputError(what, self._settings.url, advice)

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a request."""
        return dict((await self._sent("POST", path, body)).json())

    async def events(self, path: str, body: dict[str, Any]) -> AsyncGenerator[dict[str, Any]]:
        """Yield the data of each event of a stream; closing the generator closes the stream, which ends the answer."""
        try:
            async with self._client.stream("POST", path, json=body) as response:
                if response.status_code != httpx.codes.OK:
                    await response.aread()
                    raise self._refused(response)
                async for line in response.aiter_lines():
                    data = line.removeprefix(_DATA).strip()
                    if not line.startswith(_DATA) or data == "[DONE]":
                        continue
                    event = json.loads(data)
                    if "error" in event:
                        raise KitError(f"The server behind this one failed: {_message(event)}", self._settings.url)
                    yield event
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    async def _sent(self, method: str, path: str, body: dict[str, Any] | None) -> httpx.Response:
        try:
            response = await self._client.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        if response.status_code != httpx.codes.OK:
            raise self._refused(response)
        return response

    def _unreachable(self, error: httpx.HTTPError) -> KitError:
        reason = str(error) or type(error).__name__
        what = f"The server behind this one does not answer: {reason.rstrip('.')}."
        return KitError(what, self._settings.url, "Start it, or correct upstream.url.")

    def _refused(self, response: httpx.Response) -> KitError:
        """Return the error for an answer that is no success: the request's fault, or the server's."""
        try:
            reason = _message(response.json())
        except ValueError:
            reason = response.text
        what = f"The server behind this one answers {response.status_code}: {reason[:_LONGEST_REASON].rstrip('.')}."
        kind = InputError if response.status_code in (400, 413, 422) else KitError
        return kind(what, self._settings.url)


def _message(body: dict[str, Any]) -> str:
    error = body.get("error", body)
    return str(error.get("message", error) if isinstance(error, dict) else error)
