"""A project made by an earlier version of the kit: its recipe loads, its run is listed, and its bundle is served."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import httpx
import pytest

from kit.bundle.attestation import status_of
from kit.bundle.store import Store
from kit.bundle.verify import verify_files
from tests.e2e.commands import kit_json, serving

ARCHIVE = Path(__file__).parents[1] / "fixtures" / "contracts.tar.gz"
DIGEST = "9a7e9d709956d9b7dcb12032b3710a414f072a0b6ff6262d90b395f877ccbdb2"
RUN = "20261128-185335-76506a"


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("earlier") / "contracts"
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(root, filter="data")
    return root


def test_its_files_verify_and_its_evaluation_still_counts(earlier: Path) -> None:
    store = Store(earlier)
    bundle = store.get("production")
    assert bundle.digest == store.get("latest").digest == store.get(DIGEST[:4]).digest == DIGEST
    verify_files(bundle)
    assert status_of(store.attestations(DIGEST)) == "verified"


@pytest.mark.parametrize("profile", [(), ("--profile", "smoke"), ("--profile", "cuad")])
def test_its_recipe_and_its_task_load(earlier: Path, profile: tuple[str, ...]) -> None:
    checked = kit_json("check", "--recipe-only", *profile, cwd=earlier)
    assert checked["tasks"] == ["clauses"]


def test_its_training_can_be_planned(earlier: Path) -> None:
    assert kit_json("train", "--profile", "smoke", "--dry-run", cwd=earlier)


def test_its_run_is_listed(earlier: Path) -> None:
    (run,) = kit_json("runs", cwd=earlier)["runs"]
    assert {RUN, "finished", DIGEST} <= {value for value in run.values() if isinstance(value, str)}


def test_its_evaluation_can_be_planned(earlier: Path) -> None:
    plan = kit_json("eval", "--dry-run", cwd=earlier)
    assert DIGEST in json.dumps(plan)


def test_it_may_still_be_served_to_other_machines(earlier: Path) -> None:
    words = ("serve", "production", "--host", "0.0.0.0", "--expose-without-keys", "--engine", "local", "--dry-run")
    plan = kit_json(*words, cwd=earlier)
    assert plan["bundles"] == [DIGEST]


def test_its_service_starts_and_answers_as_verified(earlier: Path) -> None:
    text = json.loads((earlier / "data" / "test.jsonl").read_text().splitlines()[0])["request"]["text"]
    with serving("production", "--engine", "local", cwd=earlier) as service:
        answer = httpx.post(f"{service.url}/v1/legal/clauses", json={"text": text}, timeout=120)
    assert answer.status_code == 200, answer.text
    assert (answer.headers["x-domainkit-status"], answer.headers["x-domainkit-bundle"]) == ("verified", DIGEST)
    clauses = answer.json()["clauses"]
    assert clauses
    assert all(text[clause["start"] : clause["end"]] == clause["exact"] for clause in clauses)
