"""Counts what each request uses, at the one place that every route passes: its engine."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from kit.engines.base import Capabilities, Delta, Engine, Generation, Partial, TokenScore
from kit.errors import InputError
from kit.task import Completion
from serving.errors import ServiceError
from serving.ledger.board import BoardFull
from serving.ledger.entry import ANONYMOUS, Entry, Outcome

if TYPE_CHECKING:
    from serving.ledger.ledger import Ledger  # it brings SQL, which a service without a ledger does not need

WhenFull = Literal["refuse", "answer"]


@dataclass
class Responded:
    """What the client got so far: the status, and whether the response is complete. `broke`: an error ended it."""

    status: int = 0
    complete: bool = False
    broke: bool = False

    @property
    def outcome(self) -> Outcome:
        """How the request ended."""
        if self.broke or self.status >= 400:
            return "failed"
        return "answered" if self.complete else "left"


class Account:
    """What one request uses of one bundle; it counts from the first call of the engine to the end of the response."""

    def __init__(self, entry: Entry, accounts: Accounts, responded: Responded) -> None:
        self.entry = entry
        self.prompt_tokens = self.completion_tokens = 0
        self.first_token: float | None = None  # seconds from the first call of the engine
        self.seconds = 0.0
        self.responded = responded
        self._accounts = accounts
        self._slot: int | None = None
        self._begun: float | None = None
        self._ended = False

    @property
    def used(self) -> bool:
        """Whether the engine was asked at all."""
        return self._begun is not None

    def begin(self) -> None:
        """Begin to count, at the first call of the engine. Raises ServiceError (503) if it cannot be recorded."""
        if self._begun is None:
            self._slot = self._accounts.slot_for(self.entry)
            self._begun = time.perf_counter()
            self._accounts.running.add(self)

    def read(self, tokens: int) -> None:
        """Count tokens that the engine was given to read."""
        self.prompt_tokens += tokens
        self._count()

    def wrote(self, tokens: int) -> None:
        """Count tokens that the engine wrote, before the client gets them."""
        if self.first_token is None and self._begun is not None:
            self.first_token = time.perf_counter() - self._begun
        self.completion_tokens += tokens
        self._count()

    def end(self) -> None:
        """Close the account; a second call does nothing."""
        if self._begun is None or self._ended:
            return
        self._ended = True
        self.seconds = time.perf_counter() - self._begun
        self._accounts.running.discard(self)
        if self._slot is not None and self._accounts.ledger is not None:
            self._accounts.ledger.end(self._slot, self.seconds, self.responded.outcome)
        self._accounts.on_end(self)

    def _count(self) -> None:
        if self._slot is not None and not self._ended and self._accounts.ledger is not None:
            self._accounts.ledger.count(self._slot, self.prompt_tokens, self.completion_tokens)


class Accounts:
    """Opens an account for each request. Without a ledger it counts for the metrics alone."""

    def __init__(
        self,
        ledger: Ledger | None = None,
        when_full: WhenFull = "refuse",
        on_end: Callable[[Account], None] = lambda _: None,
    ) -> None:
        self.ledger, self.on_end = ledger, on_end
        self.running: set[Account] = set()
        self._when_full = when_full

    def open(self, state: dict[str, Any], route: str, bundle: str, name: str) -> Account:
        """Return the account of a request for a bundle; `state` is what the middleware knows about the request."""
        key = getattr(state.get("caller"), "key_id", ANONYMOUS)
        entry = Entry(bundle, name, route, str(state.get("request_id", "")), str(key))
        return Account(entry, self, state.get("responded") or Responded(200, True))

    def slot_for(self, entry: Entry) -> int | None:
        """Return the place in the ledger for an entry; None if there is no ledger, or it is full and may be.

        Raises ServiceError (503) if it is full.
        """
        if self.ledger is None:
            return None
        try:
            return self.ledger.begin(entry)
        except BoardFull:
            if self._when_full == "answer":
                self.ledger.uncounted["requests"] += 1
                return None
        message = "The service cannot record what a request uses, so it answers none. Try again later."
        raise ServiceError(503, "ledger_full", message, headers={"retry-after": "5"}) from None


class MeteredEngine:
    """An engine for one request: all that it reads and writes is counted."""

    def __init__(self, engine: Engine, account: Account) -> None:
        self._engine, self._account = engine, account

    @property
    def capabilities(self) -> Capabilities:
        """Those of the engine."""
        return self._engine.capabilities

    async def generate(self, request: Generation) -> Completion:
        """Generate; what was written is counted also if the caller is cancelled or the engine fails."""
        partial = Partial()
        self._account.begin()
        try:
            completion = await self._engine.generate(replace(request, partial=partial))
        except BaseException as error:
            if partial.begun and not isinstance(error, InputError):
                self._account.read(len(request.ids))
                self._account.wrote(len(partial.token_ids))
            raise
        self._account.read(len(request.ids))
        self._account.wrote(len(completion.token_ids))
        return completion

    async def stream(self, request: Generation) -> AsyncIterator[Delta]:
        """Stream; each piece is counted before it is handed on, and at the end what was written but not handed on."""
        partial, read, handed = Partial(), False, 0
        self._account.begin()
        stream = self._engine.stream(replace(request, partial=partial))
        try:
            async with aclosing(cast(AsyncGenerator[Delta, None], stream)) as deltas:
                async for delta in deltas:
                    if not read:
                        read = True
                        self._account.read(len(request.ids))
                    if delta.token_ids:
                        handed += len(delta.token_ids)
                        self._account.wrote(len(delta.token_ids))
                    yield delta
        finally:
            if partial.begun and not read:
                self._account.read(len(request.ids))
            if (more := len(partial.token_ids) - handed) > 0:
                self._account.wrote(more)

    async def score(self, ids: Sequence[int], adapter: str | None = None) -> tuple[float, ...]:
        """Score tokens; they are counted as read."""
        self._account.begin()
        scores = await self._engine.score(ids, adapter)
        self._account.read(len(ids))
        return scores

    async def score_top(self, ids: Sequence[int], top: int, adapter: str | None = None) -> tuple[TokenScore, ...]:
        """Score tokens; they are counted as read."""
        self._account.begin()
        scores = await self._engine.score_top(ids, top, adapter)
        self._account.read(len(ids))
        return scores

    async def start(self) -> None:
        """Start the engine."""
        await self._engine.start()

    async def stop(self) -> None:
        """Stop the engine."""
        await self._engine.stop()

    async def health(self) -> None:
        """Return when the engine can work."""
        await self._engine.health()

    async def load(self, name: str, adapter: Path) -> None:
        """Load an adapter."""
        await self._engine.load(name, adapter)

    async def unload(self, name: str) -> None:
        """Forget an adapter."""
        await self._engine.unload(name)
