"""`kit eval` on test examples that are not fit to measure by: refused, or a gate that does not hold."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.kit.cli.conftest import run_kit
from tests.kit.toy import lines, row


@pytest.fixture
def project(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "toy"))


def test_rows_that_were_trained_on_and_a_label_that_is_not_tested_keep_a_bundle_from_being_verified(
    project: Path,
) -> None:
    """The training file is another one by now: what the bundle was made of is known from the bundle."""
    leaked = row("train", 7, id="copied", group="copied")
    (project / "data/test.jsonl").write_text(lines([*(row("test", number) for number in (1, 3, 5)), leaked]))
    (project / "data/train.jsonl").write_text(lines(row("other", number) for number in range(20)))
    ran = run_kit("eval", "--json", cwd=project)
    assert ran.code == 4, ran.err
    gates = {gate["name"]: gate for gate in ran.json["gates"]}
    leak, labels = gates["toy: data.leaks"], gates["toy: data.labels"]
    assert leak["outcome"] == "failed"
    named = "'copied' (test.jsonl:4)"
    assert leak["reason"] == f"1 of 4 test rows were trained on, their request or their group: {named}."
    assert str(project) not in json.dumps(ran.json["gates"])  # it is attested, and served
    assert (labels["outcome"], "'complaint'" in labels["reason"]) == ("unmeasured", True)


def test_a_test_row_that_the_task_refuses_is_refused_before_anything_is_measured(project: Path) -> None:
    """A label that the bundle's task does not know, and an answer that its prompt has no room for."""
    rows = [row("test", 1), row("test", 2, response={"label": "praize"})]
    (project / "data/test.jsonl").write_text(lines(rows))
    ran = run_kit("eval", cwd=project)
    assert ran.code == 2
    assert f"{project}/data/test.jsonl:2:" in ran.err
    long = row("test", 3, request={"text": "and it went on " * 900})
    (project / "data/test.jsonl").write_text(lines([row("test", 1), long]))
    ran = run_kit("eval", "--json", cwd=project)
    assert ran.code == 2
    (problem, *_) = ran.json["error"]["problems"]
    assert problem["what"].startswith("Example 'test-3' makes a row of")
    assert not (project / "attestations").exists() or not list((project / "attestations").rglob("evaluation-*.json"))


def test_examples_of_another_file_end_with_0_and_no_attestation(project: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text(lines(row("other", number) for number in range(6)))
    ran = run_kit("eval", "--no-base", "--data", str(other), cwd=project)
    assert ran.code == 0, ran.err
    assert f"Measured on {other}: no gate was judged, and nothing was attested." in " ".join(ran.out.split())
    assert not list(project.glob("attestations/*/evaluation-*.json"))
    other.write_text("{}\n")
    assert run_kit("eval", "--data", str(other), cwd=project).code == 2


def test_the_bundle_keeps_hashes_of_all_that_it_was_trained_on_and_none_of_its_words(trained: Path) -> None:
    (file,) = trained.glob("bundles/sha256/*/trained.json")
    record = json.loads(file.read_text())["tasks"]["toy"]
    assert (len(record["requests"]), len(record["groups"])) == (60, 30)
    assert record["labels"] == {"complaint": 30, "praise": 30}
    assert "visit" not in file.read_text()
    assert "train-" not in file.read_text()
