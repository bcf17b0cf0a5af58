"""Whether the service may answer requests, and the reason if it never will."""

from __future__ import annotations

import asyncio

from kit.errors import KitError
from serving.errors import NO_RETRY, ServiceError
from serving.models.catalogue import Catalogue


class Readiness:
    """Decided once: by the models that answer, or by the reason why the service can never become ready."""

    def __init__(self) -> None:
        self.catalogue: Catalogue | None = None
        self.refusal: KitError | None = None
        self._decided = asyncio.Event()

    @property
    def ready(self) -> bool:
        """Whether every bundle is verified and has generated a token."""
        return self.catalogue is not None

    def accept(self, catalogue: Catalogue) -> None:
        """Become ready: these models answer."""
        self.catalogue = catalogue
        self._decided.set()

    def refuse(self, reason: KitError) -> None:
        """Never become ready."""
        self.refusal = reason
        self._decided.set()

    async def wait_until_decided(self) -> None:
        """Wait until the service is ready or refused."""
        await self._decided.wait()

    def models(self) -> Catalogue:
        """Return the models that answer. Raises ServiceError (503) while the service is not ready."""
        if self.refusal is not None:
            raise ServiceError(503, "refused", str(self.refusal), headers=NO_RETRY)
        if self.catalogue is None:
            wait = {"retry-after": "2"}
            raise ServiceError(
                503, "not_ready", "The service is still verifying its bundles. Try again later.", headers=wait
            )
        return self.catalogue
