"""A service in its own process, for tests that send signals: python -m tests.serving.process FOLDER DIGEST PORT."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from kit.bundle.seal import read_seal
from kit.bundle.store import Bundle
from kit.engines.base import Generation
from serving.models.catalogue import Deployed
from serving.server import serve
from serving.settings import Settings
from tests.serving.controlled_engine import ControlledEngine


class SlowEngine(ControlledEngine):
    """Pause for one second after the first token of every answer."""

    def __init__(self) -> None:
        super().__init__(self._pause)

    def _pause(self, asked: Generation) -> str:
        if asked.sampling.max_tokens > 1:
            self.proceed.clear()
            asyncio.get_running_loop().call_later(1.0, self.proceed.set)
        return "one two three"

    async def stop(self) -> None:
        await super().stop()
        print("stopped", flush=True)


def main() -> None:
    folder, digest, port = sys.argv[1:]
    bundle = Bundle(digest, Path(folder), read_seal(Path(folder)))
    settings = Settings(port=int(port))
    asyncio.run(serve(settings, SlowEngine(), [Deployed(bundle, "verified")], lambda url: print(url, flush=True)))


if __name__ == "__main__":
    main()
