"""A real tiny adapter on nano, a neighbour of it, a project around it, and bundles built from both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from kit.base import find_base
from kit.bundle.build import BuildPlan, build_bundle
from kit.bundle.store import Bundle, Store
from tests.kit.bundle.parts import (
    DIALOGUES,
    NEIGHBOUR,
    TASK,
    TUNED,
    copy_of,
    make_recipe,
    rows_of,
    train_adapter,
)
from tests.kit.bundle.small_store import add, store

__all__ = ["add", "store"]


@pytest.fixture(scope="session")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_adapter(TUNED, tmp_path_factory.mktemp("tuned"))


@pytest.fixture(scope="session")
def neighbour(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_adapter(NEIGHBOUR, tmp_path_factory.mktemp("neighbour"))


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    (folder / "task.py").write_text(TASK)
    return folder


@pytest.fixture(scope="session")
def plans(adapter: Path, project: Path) -> Callable[..., BuildPlan]:
    def plan(form: str = "merged", **changes: Any) -> BuildPlan:
        rows = tuple(row.ids for row in rows_of(TUNED))
        made = BuildPlan(
            make_recipe(form), find_base("nano"), adapter, project, rows, DIALOGUES, "d" * 64, {"steps": 20}
        )
        return replace(made, **changes)

    return plan


@dataclass(frozen=True)
class Built:
    store: Store
    merged: Bundle
    adapter: Bundle


@pytest.fixture(scope="session")
def built(plans: Callable[..., BuildPlan], tmp_path_factory: pytest.TempPathFactory) -> Built:
    store = Store(tmp_path_factory.mktemp("store"))
    return Built(store, build_bundle(plans("merged"), store), build_bundle(plans("adapter"), store))


@pytest.fixture(params=["merged", "adapter"])
def bundle(request: pytest.FixtureRequest, built: Built, tmp_path: Path) -> Bundle:
    """A copy of a bundle, to be damaged."""
    original: Bundle = getattr(built, request.param)
    return copy_of(original, tmp_path)
