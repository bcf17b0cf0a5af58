"""The HTTP client that times servers measures the first text of a stream and a complete probe."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bench.shared.connection import Connection
from kit.errors import KitError
from serving.app import create_app
from serving.models.catalogue import Deployed
from serving.settings import Settings
from tests.serving.bundles import weightless_bundle
from tests.serving.controlled_engine import LINE, ControlledEngine
from tests.serving.http import running


def test_first_tokens_and_probes_are_timed_on_one_connection(tmp_path: Path) -> None:
    engine = ControlledEngine()
    engine.delay = 0.2  # before each token
    app = create_app(Settings(), engine, [Deployed(weightless_bundle(tmp_path), "preview")])

    async def timed(port: int) -> list[float]:
        async with Connection.to(port) as connection:
            texts = [await connection.first_token(number) for number in range(3)]
            return [*texts, await connection.probe("/livez")]

    with running(app) as service:
        *texts, probe = asyncio.run(timed(int(service.url.rpartition(":")[2])))
    assert all(0.2 < seconds < 0.2 * len(LINE.split()) for seconds in texts)
    assert 0 < probe < 0.2
    assert len({request.ids for request in engine.requests[-3:]}) == 3


def test_an_error_response_raises_instead_of_giving_a_time(tmp_path: Path) -> None:
    app = create_app(Settings(), ControlledEngine(), [Deployed(weightless_bundle(tmp_path), "preview")])

    async def asked(port: int) -> None:
        async with Connection.to(port) as connection:
            await connection.probe("/nowhere")

    with running(app) as service, pytest.raises(KitError, match="404"):
        asyncio.run(asked(int(service.url.rpartition(":")[2])))
