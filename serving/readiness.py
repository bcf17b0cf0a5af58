"""Whether the service may answer requests, and the reason if it cannot now or never will."""

from __future__ import annotations

import asyncio

from kit.errors import KitError
from serving.errors import NO_RETRY, ServiceError
from serving.models.catalogue import Catalogue

_PAUSED_SECONDS = "5"


class Readiness:
    """Decided once at the start: by the models that answer, or by the reason why the service can never become ready.

    Later it is paused while an engine cannot answer, and refused if an engine was lost.
    """

    def __init__(self) -> None:
        self.catalogue: Catalogue | None = None
        self.refusal: KitError | None = None
        self._paused: dict[int, KitError] = {}
        self._draining = False
        self._decided = asyncio.Event()
        self._refused = asyncio.Event()

    @property
    def ready(self) -> bool:
        """Whether every bundle is verified and has generated a token, and every engine can answer."""
        return self.catalogue is not None and self.refusal is None and not self._paused and not self._draining

    @property
    def paused(self) -> bool:
        """Whether an engine cannot answer now."""
        return bool(self._paused)

    def accept(self, catalogue: Catalogue) -> None:
        """Become ready: these models answer."""
        self.catalogue = catalogue
        self._decided.set()

    def refuse(self, reason: KitError) -> None:
        """Never become ready."""
        self.refusal = reason
        self._decided.set()
        self._refused.set()

    def pause(self, cause: object, reason: KitError) -> None:
        """Stop answering because of a cause, until `resume` is called for it."""
        self._paused[id(cause)] = reason

    def resume(self, cause: object) -> None:
        """Answer again, if nothing else is in the way."""
        self._paused.pop(id(cause), None)

    def drain(self) -> None:
        """Answer no new request: the service is about to end."""
        self._draining = True

    async def wait_until_decided(self) -> None:
        """Wait until the service is ready or refused."""
        await self._decided.wait()

    async def wait_until_refused(self) -> None:
        """Wait until the service is refused; a service that stays ready waits for ever."""
        await self._refused.wait()

    def models(self) -> Catalogue:
        """Return the models that answer. Raises ServiceError (503) while the service is not ready."""
        if self.refusal is not None:
            raise ServiceError(503, "refused", str(self.refusal), headers=NO_RETRY)
        if self.catalogue is None:
            wait = {"retry-after": "2"}
            raise ServiceError(
                503, "not_ready", "The service is still verifying its bundles. Try again later.", headers=wait
            )
        if self._draining:
            what = "The service is about to stop. Send the request to another one, or try again later."
            raise ServiceError(503, "stopping", what, headers={"retry-after": _PAUSED_SECONDS, "connection": "close"})
        if self._paused:
            reason = str(next(iter(self._paused.values()))).rstrip(".")
            what = f"The engine cannot answer now: {reason}. Try again later."
            raise ServiceError(503, "engine_unavailable", what, headers={"retry-after": _PAUSED_SECONDS})
        return self.catalogue
