"""An engine that counts for itself what it reads and writes; also as a service in its own process.

python -m tests.serving.ledger.counting FOLDER DIGEST STATE COUNTS [LEDGER_URL]
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import cast

from kit.bundle.seal import read_seal
from kit.bundle.store import Bundle
from kit.engines.base import Delta, Generation
from kit.engines.writing import Writing
from serving.models.catalogue import Deployed
from serving.server import serve
from serving.settings import Settings
from tests.serving.controlled_engine import ControlledEngine, Script, line_for


class CountingEngine(ControlledEngine):
    """Counts the tokens of every prompt that it admits, and every token that it makes, from `forget` on."""

    def __init__(self, script: Script = line_for) -> None:
        super().__init__(script)
        self.written = 0

    @property
    def read(self) -> int:
        return sum(len(request.ids) for request in self.requests)

    def forget(self) -> None:
        self.requests.clear()
        self.written = 0

    async def _write(self, request: Generation) -> AsyncGenerator[Writing]:
        made = 0
        async with aclosing(super()._write(request)) as steps:
            async for writing in steps:
                self.written += len(writing.token_ids) - made
                made = len(writing.token_ids)
                yield writing


class NotingEngine(ControlledEngine):
    """Notes each token in a file before it hands it over, and waits after the third token of a text that says so."""

    def __init__(self, counts: Path) -> None:
        super().__init__(lambda _: "one two three four five six")
        self._file = os.open(counts, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    async def stream(self, request: Generation) -> AsyncIterator[Delta]:
        if request.sampling.max_tokens > 1:  # not the one token that a start asks for
            os.write(self._file, b"r" * len(request.ids))
        handed = 0
        async with aclosing(cast(AsyncGenerator[Delta, None], super().stream(request))) as deltas:
            async for delta in deltas:
                if request.sampling.max_tokens == 7 and handed == 3:
                    await asyncio.Event().wait()
                if request.sampling.max_tokens > 1:
                    os.write(self._file, b"w" * len(delta.token_ids))
                handed += len(delta.token_ids)
                yield delta


def main() -> None:
    folder, digest, state, counts, *url = sys.argv[1:]
    bundle = Bundle(digest, Path(folder), read_seal(Path(folder)))
    settings = Settings(port=0, state=Path(state), ledger=url[0] if url else None)
    engine = NotingEngine(Path(counts))
    asyncio.run(serve(settings, engine, [Deployed(bundle, "verified")], lambda url: print(url, flush=True)))


if __name__ == "__main__":
    main()
