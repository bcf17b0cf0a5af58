"""A bundle without weights, one shared service, and services with a test's own settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from kit.bundle.store import Bundle
from serving.app import create_app
from serving.models.catalogue import Deployed
from serving.settings import Settings
from tests.serving.bundles import weightless_bundle
from tests.serving.controlled_engine import ControlledEngine
from tests.serving.http import Service, running
from tests.serving.moving import moving as moving
from tests.serving.tools import HERMES, StartWithTools

Serve = Callable[..., Service]


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return weightless_bundle(tmp_path_factory.mktemp("paper"))


@pytest.fixture(scope="session")
def engine() -> ControlledEngine:
    """The engine of the shared service."""
    return ControlledEngine()


@pytest.fixture(scope="session")
def service(bundle: Bundle, engine: ControlledEngine) -> Iterator[Service]:
    """One service for all tests that do not change its state."""
    with running(create_app(Settings(), engine, [Deployed(bundle, "preview")])) as shared:
        yield shared


@pytest.fixture
def serve(bundle: Bundle) -> Iterator[Serve]:
    """Start a service with the shared bundle or with other bundles."""
    with ExitStack() as stack:

        def start(
            engine: ControlledEngine | None = None,
            bundles: list[Deployed] | None = None,
            ready: bool = True,
            **settings: Any,
        ) -> Service:
            deployed = bundles or [Deployed(bundle, "preview")]
            app = create_app(Settings(**settings), engine or ControlledEngine(), deployed)
            return stack.enter_context(running(app, ready))

        yield start


@pytest.fixture(scope="session")
def bundle_with_tools(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle whose chat template takes tools."""
    return weightless_bundle(tmp_path_factory.mktemp("tools"), chat_template=HERMES)


@pytest.fixture
def start_with_tools(bundle_with_tools: Bundle, serve: Serve) -> StartWithTools:
    """Serve the bundle with tools; the engine writes the given text."""

    def start(written: str) -> tuple[Service, ControlledEngine]:
        engine = ControlledEngine(lambda request: written)
        return serve(engine, [Deployed(bundle_with_tools, "preview")]), engine

    return start
