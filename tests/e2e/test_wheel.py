"""The wheel in an environment outside the repository: a project's own tests pass, and the demo runs the whole loop."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from kit.bundle.attestation import VERIFIED_MEANS
from kit.bundle.store import Store
from tests.docs.blocks import Block, blocks
from tests.docs.pages import FRONT, page_run
from tests.e2e.commands import serving

ROOT = Path(__file__).resolve().parents[2]
LONG = 300_000


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The commands of an environment with the built wheel; other packages come from this environment."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    environment = folder / "environment"
    venv.create(environment, with_pip=False)
    install = [sys.executable, "-m", "pip", "--python", str(environment / "bin" / "python"), "install", "-q"]
    subprocess.run([*install, "--no-deps", "--no-index", str(next(folder.glob("*.whl")))], check=True)
    site = next(environment.glob("lib/python*/site-packages"))
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    where = [str(environment / "bin" / "python"), "-c", "import kit; print(kit.__file__)"]
    assert str(environment) in subprocess.run(where, check=True, capture_output=True, text=True, cwd=folder).stdout
    return environment / "bin"


def test_a_project_from_the_wheel_passes_its_own_tests(commands: Path, tmp_path: Path) -> None:
    subprocess.run([str(commands / "kit"), "new", "classify"], cwd=tmp_path, check=True)
    tests = [str(commands / "python"), "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(tests, cwd=tmp_path / "classify", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def test_the_wheel_has_only_the_kit_and_the_service(commands: Path) -> None:
    site = next(commands.parent.glob("lib/python*/site-packages"))
    assert {each.parent.name for each in site.glob("*/__init__.py")} == {"kit", "serving"}
    assert not list(site.rglob("pretrain"))


@dataclass(frozen=True)
class Demo:
    """The JSON result of the demo, its progress output, and the processes that it left running."""

    result: dict[str, Any]
    output: str
    left: list[str]


@pytest.fixture(scope="module")
def demo(commands: Path, tmp_path_factory: pytest.TempPathFactory) -> Demo:
    before = {process.pid for process in psutil.process_iter()}
    folder = tmp_path_factory.mktemp("demo")
    command = [str(commands / "kit"), "demo", "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=os.environ)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [str(p.info["cmdline"]) for p in psutil.process_iter(["cmdline"]) if p.pid not in before]
    return Demo(json.loads(done.stdout), done.stderr, [line for line in lines if "demo-legal" in line])


def test_the_demo_trains_serves_and_stops_its_service(demo: Demo) -> None:
    result = demo.result
    line = next(line for line in result["evaluation"]["tasks"][0]["metrics"] if line["metric"] == "clause_f1")
    tuned, base = line["tuned"]["value"], line["base"]["value"]
    assert tuned >= 0.60
    assert tuned - base >= 0.40
    assert line["baseline"]["value"] is not None

    text, clauses = result["request"]["text"], result["response"]["clauses"]
    assert clauses
    assert all(text[clause["start"] : clause["end"]] == clause["exact"] for clause in clauses)
    assert result["status"] == "verified"
    assert f"That means: {VERIFIED_MEANS}" in " ".join(demo.output.split())

    assert Store(Path(result["project"])).get(result["bundle"]).digest == result["bundle"]
    assert result["serve"].endswith("kit serve")
    assert not demo.left
    assert "kit serve" in demo.output


def test_the_front_page_does_what_it_says_in_the_project_of_the_demo(demo: Demo, tmp_path: Path) -> None:
    """Its first commands are those of the demo; the evaluation takes the demo's answers up, as after Ctrl-C."""
    found = blocks(ROOT / FRONT, FRONT)
    first = next(index for index, block in enumerate(found) if "kit new" in block.text)
    assert found[first].script.splitlines() == ["kit new legal && cd legal", "kit train --profile smoke"]
    assert "kit train --profile smoke" in demo.output
    project = tmp_path / "copy"
    shutil.copytree(demo.result["project"], project)
    for report in project.glob("evaluations/*/*/report.json"):
        report.unlink()
    with page_run(tmp_path) as session:
        session.execute([Block(FRONT, 0, "bash", f"cd {project}\n"), *found[first + 1 :]])


def test_the_bundle_of_the_demo_answers_a_long_contract_completely(demo: Demo) -> None:
    project = Path(demo.result["project"])
    lines = (project / "data" / "test.jsonl").read_text(encoding="utf-8").splitlines()
    texts = cycle([json.loads(line)["request"]["text"] for line in lines])
    text = "\n\n".join(islice(texts, 2 * len(lines)))[:LONG]
    assert len(text) == LONG
    with serving(cwd=project) as service:
        answer = httpx.post(f"{service.url}/v1/legal/clauses", json={"text": text}, timeout=900)
    assert answer.status_code == 200, answer.text
    extraction = answer.json()
    assert (extraction["coverage"], extraction["unread"]) == (1.0, [])
    assert len(extraction["clauses"]) > 100
    assert all(text[clause["start"] : clause["end"]] == clause["exact"] for clause in extraction["clauses"])
