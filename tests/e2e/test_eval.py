"""The command `kit eval`: interrupt and continue, print in any encoding, keep the result when the disk is full."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.commands import kit_json
from tests.e2e.conftest import Trained

EVAL = [sys.executable, "-m", "kit", "eval"]
_PATIENCE_S = 120
_FILE_LIMIT = 6000  # bytes: only some of the answers fit


@pytest.fixture
def project(trained: Trained, tmp_path: Path) -> Path:
    """A copy of the project without evaluations; its latest bundle is the merged one."""
    ignore = shutil.ignore_patterns("attestations", "evaluations")
    copy = Path(shutil.copytree(trained.root, tmp_path / "legal", ignore=ignore))
    line = json.dumps({"digest": trained.merged, "at": "2026-01-01T00:00:00+00:00"})
    (copy / "aliases" / "latest.jsonl").write_text(f"{line}\n")
    return copy


def answers(project: Path) -> list[dict[str, Any]]:
    files = list(project.glob("evaluations/*/*/answers.jsonl"))
    assert len(files) <= 1
    return [json.loads(line) for file in files for line in file.read_bytes().split(b"\n")[:-1]]


def interrupted(project: Path) -> str:
    """Press Ctrl-C after the first saved answer; return the output."""
    process = subprocess.Popen(EVAL, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    limit = time.monotonic() + _PATIENCE_S
    while not answers(project):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < limit
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert "Traceback" not in output
    return output


def test_an_interrupted_evaluation_saves_its_answers_and_the_next_one_continues(project: Path) -> None:
    output = interrupted(project)
    before = answers(project)
    assert f"Interrupted. {len(before)} answers are saved in {project}/evaluations/" in output
    assert "Continue with: kit eval" in output
    assert not list(project.glob("attestations/*/*.json"))

    words = [*EVAL, "--base-limit", "10"]
    environment = {**os.environ, "PYTHONIOENCODING": "latin1"}
    done = subprocess.run(words, cwd=project, env=environment, capture_output=True, check=False)
    printed = done.stdout.decode("latin1")
    assert done.returncode == 4, printed + done.stderr.decode()
    assert f"Continuing: {len(before)} answers were saved" in done.stderr.decode()

    lines = answers(project)
    assert lines[: len(before)] == before
    assert len({(line["who"], line["id"]) for line in lines}) == len(lines)
    assert {who: sum(line["who"] == who for line in lines) for who in ("tuned", "base", "baseline")} == {
        "tuned": 12,
        "base": 10,
        "baseline": 12,
    }
    assert max(map(len, printed.splitlines())) <= 100
    assert printed.startswith("Gate clause_f1 failed: ")
    assert printed.index("The classical method is better on clause_f1") < printed.index("metric  ")
    assert "on 10 of both" in printed
    assert "worst labels" in printed
    assert "Status: preview (clause_f1 " in printed

    report = json.loads(next(project.glob("evaluations/*/*/report.json")).read_text())
    assert report["by_label"][report["tasks"][0]["task"]]["tuned"]["labels"]
    refused = kit_json("serve", "--host", "0.0.0.0", "--port", "0", "--engine", "local", cwd=project, code=4)
    assert "Gate clause_f1 failed: " in refused["error"]["problems"][0]["what"]


def test_on_a_full_disk_the_result_is_printed_with_exit_code_1(project: Path) -> None:
    def limit_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (_FILE_LIMIT, _FILE_LIMIT))

    words = [*EVAL, "--no-base", "--limit", "12", "--json"]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        words, cwd=project, env=environment, preexec_fn=limit_files, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    printed = json.loads(done.stdout)
    first = printed["tasks"][0]["metrics"][0]
    assert (first["metric"], first["base"]) == ("clause_f1", None)
    assert first["tuned"]["value"] is not None
    problems = [problem["what"] for problem in printed["problems"]]
    assert problems[0].startswith("Not every answer was saved: ")
    assert problems[1].startswith("The result was not attested: File too large")
    assert "The result was not attested" in done.stderr
    assert not list(project.glob("attestations/*/*.json"))
    assert 0 < len(answers(project)) < 24
