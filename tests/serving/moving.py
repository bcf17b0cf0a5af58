"""A service that follows an alias between two adapters, for the tests of moves and trials."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi import FastAPI

from kit.bundle.store import Bundle, Store
from kit.engines.base import Generation
from serving.app import create_app
from serving.models.aliases import Followed
from serving.models.catalogue import Deployed
from serving.settings import Settings
from tests.serving.bundles import TASK, weightless_bundle
from tests.serving.controlled_engine import ControlledEngine
from tests.serving.http import Service, eventually, running


def named(request: Generation) -> str:
    """The answer names the adapter that wrote it."""
    return f"I am {(request.adapter or 'nobody')[:12]} and nobody else"


@dataclass(frozen=True)
class Moving:
    """A service that follows `production` between two adapters, and a merged bundle that it cannot load."""

    app: FastAPI
    service: Service
    engine: ControlledEngine
    store: Store
    first: Bundle
    second: Bundle
    merged: Bundle

    def aliases(self) -> dict[str, str]:
        return dict(self.service.http.get("/readyz").json()["aliases"])

    @property
    def state(self) -> Path:
        return self.store.root / ".kit" / "service"

    def problems(self) -> dict[str, str]:
        return dict(self.service.http.get("/readyz").json()["alias_problems"])

    def move(self, bundle: Bundle) -> None:
        self.store.alias("production", bundle.digest)
        eventually(lambda: self.aliases()["production"] == bundle.digest, "the service follows the alias")


@pytest.fixture
def moving(tmp_path: Path) -> Iterator[Moving]:
    root = tmp_path / "project"
    bundles = []
    for number, form in enumerate(("adapter", "adapter", "merged")):
        made = weightless_bundle(tmp_path / str(number), form=form, task=f"{TASK}\n# {number}\n")
        place = root / "bundles" / "sha256" / made.digest
        shutil.copytree(made.folder, place)
        bundles.append(Store(root).get(made.digest))
    first, second, merged = bundles
    store = Store(root)
    store.alias("production", first.digest)
    engine = ControlledEngine(named, adapters=[first.digest])
    followed = Followed(root, ("production",), "production")
    app = create_app(Settings(state=root / ".kit" / "service"), engine, [Deployed(first, "preview")], followed=followed)
    with running(app) as service:
        yield Moving(app, service, engine, store, first, second, merged)
