"""Whether the service may answer, and if it never will, why."""

from __future__ import annotations

import asyncio

from kit.errors import KitError
from serving.catalogue import Catalogue
from serving.errors import NO_RETRY, ServiceError


class Readiness:
    """Starts undecided; is settled once, either by the models that answer or by a refusal."""

    def __init__(self) -> None:
        self.catalogue: Catalogue | None = None
        self.refusal: KitError | None = None
        self._settled = asyncio.Event()

    @property
    def ready(self) -> bool:
        """Whether every bundle is verified and has written a token."""
        return self.catalogue is not None

    def open(self, catalogue: Catalogue) -> None:
        """Let the models answer."""
        self.catalogue = catalogue
        self._settled.set()

    def refuse(self, reason: KitError) -> None:
        """Never become ready."""
        self.refusal = reason
        self._settled.set()

    async def settled(self) -> None:
        """Return once it is decided."""
        await self._settled.wait()

    def models(self) -> Catalogue:
        """Return the models that answer; raises ServiceError (503) while there are none."""
        if self.refusal is not None:
            raise ServiceError(503, "refused", str(self.refusal), headers=NO_RETRY)
        if self.catalogue is None:
            wait = {"retry-after": "2"}
            raise ServiceError(503, "not_ready", "The service is still verifying what it is to serve.", headers=wait)
        return self.catalogue
