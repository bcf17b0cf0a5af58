"""All that a service keeps about itself: metrics, the ledger and the audit log, as its settings say."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from kit.errors import InputError
from serving.ledger import audit
from serving.ledger.account import Accounts
from serving.observability import logs
from serving.observability.metrics import Metrics
from serving.observability.traces import to_collector
from serving.settings import Settings

_log = logging.getLogger(__name__)


class Records:
    """The metrics, and with a folder for the state also the ledger and the audit log."""

    def __init__(self, settings: Settings) -> None:
        self._folder = settings.state
        self.metrics = Metrics()
        self._ledger = None
        if settings.ledger is not None and self._folder is None:
            what = "The ledger needs a folder for what its database does not have yet."
            raise InputError(what, "state", "Name one that can be written: --set state=FOLDER")
        if self._folder is not None:
            from serving.ledger.database import sqlite_url
            from serving.ledger.ledger import Ledger

            url = settings.ledger or sqlite_url(self._folder)
            self._ledger = Ledger(self._folder, url, settings.prices, settings.ledger_waiting)
        self.accounts = Accounts(self._ledger, settings.ledger_full, self.metrics.used)
        self.metrics.watch(self.accounts)
        self._traces = to_collector(settings.traces) if settings.traces else None

    async def open(self) -> None:
        """Begin to record. Raises KitError if the database or the folder cannot be used."""
        if self._ledger is not None and (settled := await asyncio.to_thread(self._ledger.open)):
            _log.warning("%d requests of a service that was killed are in the ledger now.", settled)

    async def did(self, event: str, **facts: Any) -> None:
        """Record what was done to the service. Raises KitError if it cannot be recorded."""
        if self._folder is not None:
            await asyncio.to_thread(audit.record, self._folder, event, **facts)

    def told(self, facts: dict[str, Any], parent: str) -> None:
        """Log a request at its end, and trace it if a collector is named."""
        logs.told(facts)
        if self._traces is not None:
            self._traces.told(facts, parent)

    async def close(self) -> None:
        """Write what is left."""
        if self._traces is not None:
            await asyncio.to_thread(self._traces.close)
        if self._ledger is not None:
            await asyncio.to_thread(self._ledger.close)
