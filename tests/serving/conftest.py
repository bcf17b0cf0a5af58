"""A bundle on paper, and the service that a test asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from kit.bundle.store import Bundle
from serving.app import create_app
from serving.catalogue import Deployed
from serving.settings import Settings
from tests.serving.http import Service, running
from tests.serving.paper import paper_bundle
from tests.serving.stage import Stage

Serve = Callable[..., Service]


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return paper_bundle(tmp_path_factory.mktemp("paper"))


@pytest.fixture(scope="session")
def stage() -> Stage:
    """The engine of the shared service."""
    return Stage()


@pytest.fixture(scope="session")
def service(bundle: Bundle, stage: Stage) -> Iterator[Service]:
    """One service for all tests that change nothing in it."""
    with running(create_app(Settings(), stage, [Deployed(bundle, "preview")])) as shared:
        yield shared


@pytest.fixture
def serve(bundle: Bundle) -> Iterator[Serve]:
    """Start a service on the paper bundle, or on the bundles that are given."""
    with ExitStack() as stack:

        def start(
            engine: Stage | None = None, bundles: list[Deployed] | None = None, ready: bool = True, **settings: Any
        ) -> Service:
            deployed = bundles or [Deployed(bundle, "preview")]
            app = create_app(Settings(**settings), engine or Stage(), deployed)
            return stack.enter_context(running(app, ready))

        yield start
