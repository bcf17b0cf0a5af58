"""What the container images are made from: the Dockerfile, the lock files, .dockerignore and the compose files."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version
from prometheus_client.parser import text_string_to_metric_families

from scripts.lock_requirements import Lock, locks
from serving.ledger.account import Accounts
from serving.observability.metrics import Metrics

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
DEPLOY = ROOT / "deploy"
LOCKS = {lock.name: lock for lock in locks()}
_PIN = re.compile(r"^([a-z0-9-]+)==(\S+)(?: ; .*)? \\$", re.MULTILINE)
_HASHED = re.compile(r"^    --hash=sha256:[0-9a-f]{64}(?: \\)?$")


def stages() -> dict[str, list[str]]:
    """The lines of each stage of the Dockerfile, without its first line, by name."""
    found: dict[str, list[str]] = {}
    for line in DOCKERFILE.splitlines():
        if start := re.fullmatch(r"FROM \S+ AS (\S+)", line):
            found[start[1]] = []
        elif found and line and not line.startswith("#"):
            list(found.values())[-1].append(line)
    return found


def pins(lock: Lock) -> dict[str, Version]:
    return {name: Version(version) for name, version in _PIN.findall(lock.path.read_text(encoding="utf-8"))}


def test_the_linter_of_dockerfiles_has_no_complaint() -> None:
    command = [str(Path(sys.executable).with_name("hadolint")), str(ROOT / "Dockerfile")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_there_is_a_target_and_a_lock_for_each_kind_of_image() -> None:
    assert {"cpu", "cuda", "slim"} < set(stages())
    assert {path.stem for path in (ROOT / "requirements").iterdir()} == set(LOCKS)
    for name in LOCKS:
        assert f"requirements/{name}.lock" in DOCKERFILE


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_is_as_new_as_the_requirements(name: str) -> None:
    assert LOCKS[name].fresh, "Write the lock files again: make locks"


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_has_hashes_for_every_package_and_no_index(name: str) -> None:
    lines = LOCKS[name].path.read_text(encoding="utf-8").splitlines()[1:]
    assert all(_PIN.match(line) or _HASHED.match(line) for line in lines)
    assert all(_HASHED.match(after) for line, after in pairwise(lines) if _PIN.match(line))


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_holds_what_this_project_asks_for(name: str) -> None:
    lock = LOCKS[name]
    found = pins(lock)
    for text in lock.requirements(beside=False):
        asked = Requirement(text)
        assert asked.specifier.contains(found[asked.name.lower()]), text


def test_only_the_cpu_image_brings_its_own_torch() -> None:
    assert "torch" in pins(LOCKS["cpu"])
    assert str(pins(LOCKS["cpu"])["torch"]).endswith("+cpu")
    assert not {"torch", "vllm"} & {*pins(LOCKS["slim"]), *pins(LOCKS["cuda"])}


def test_the_image_of_vllm_has_the_release_that_this_project_asks_for() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    (asked,) = extras["vllm-cuda"]
    assert f"vllm/vllm-openai:v{asked.removeprefix('vllm==')}}}" in DOCKERFILE


def test_both_bases_get_the_same_settings() -> None:
    assert stages()["runtime"] == stages()["cuda-runtime"]
    assert "USER 10001:10001" in stages()["runtime"]


def test_a_build_sees_only_what_is_named() -> None:
    lines = [
        line for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] not in ("", "#")
    ]
    assert lines[0] == "*"
    assert {line.removeprefix("!").split("/")[0] for line in lines if line.startswith("!")} == {
        ".dockerignore",
        "Dockerfile",
        "LICENSE",
        "README.md",
        "kit",
        "project",
        "pyproject.toml",
        "requirements",
        "serving",
        "templates",
    }
    assert {"**/tests", "**/test_*.py", "**/.env*", "**/*.key", "**/*.pem"} < set(lines)
    assert lines[-1] == "!project"


def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", ["service", "probe", "prometheus", "postgres", "grafana"])
def test_a_service_of_the_deployment_has_no_more_rights_than_it_needs(name: str) -> None:
    service = compose()["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"].split(":")[0].isdigit()
    assert service["healthcheck"]["test"][0] == "CMD"
    assert not [key for key in service.get("environment", {}) if "PASSWORD" in key and "FILE" not in key]


def test_the_deployment_names_no_file_that_is_missing() -> None:
    document = compose()
    assert set(document["services"]) == {"service", "probe", "prometheus", "postgres", "grafana"}
    places = [
        word.split(":")[0]
        for each in document["services"].values()
        for word in each["volumes"]
        if isinstance(word, str)
    ]
    assert {place for place in places if not place.startswith(".")} == set(document["volumes"])
    assert [place for place in places if place.startswith(".") and not (DEPLOY / place).exists()] == []
    secret = {name for each in document["services"].values() for name in each.get("secrets", [])}
    assert secret == set(document["secrets"])
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert "/deploy/secrets/" in ignored


def metric_names() -> set[str]:
    """Return the names that a service's own metrics have, without the endings of a histogram's series."""
    metrics = Metrics()
    metrics.watch(Accounts())
    found = {family.name for family in text_string_to_metric_families(metrics.text().decode())}
    return found | {"domainkit_ledger_waiting", "domainkit_ledger_healthy"}  # where there is a ledger


def test_the_dashboard_shows_what_the_probe_and_the_service_measure() -> None:
    board = json.loads((DEPLOY / "grafana" / "dashboards" / "domainkit.json").read_text(encoding="utf-8"))
    asked = {target["expr"] for panel in board["panels"] for target in panel["targets"]}
    own = {expression for expression in asked if "domainkit_" in expression}
    assert all("probe_" in expression and 'job="ready"' in expression for expression in asked - own)
    names = {name for expression in own for name in re.findall(r"domainkit_\w+", expression)}
    assert {re.sub(r"_(total|bucket)$", "", name) for name in names} <= metric_names()
    scraped = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yaml").read_text(encoding="utf-8"))["scrape_configs"]
    assert [job["job_name"] for job in scraped] == ["service", "ready"]
    (source,) = yaml.safe_load(
        (DEPLOY / "grafana" / "provisioning" / "datasources" / "prometheus.yaml").read_text(encoding="utf-8")
    )["datasources"]
    assert {panel["datasource"]["uid"] for panel in board["panels"]} == {source["uid"]}
