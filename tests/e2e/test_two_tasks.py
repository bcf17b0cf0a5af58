"""Two tasks in one run, with replay and an elastic penalty: checked, trained, measured and served together."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.e2e.commands import kit, kit_json, serving
from tests.kit.toy import RECIPE, lines, make_toy, row

SECOND = """
from .task import Toy


class Second(Toy):
    name = "second"
    route = "/v1/second"
"""
HELLO = {"messages": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Good day."}]}


def recipe() -> dict[str, Any]:
    settings = yaml.safe_load(RECIPE)
    own = {"train": "data/two.jsonl", "limit_validation": 4}
    settings["tasks"] = [{"use": "task.py:Toy"}, {"use": "second.py:Second", "data": own}]
    settings["data"] = {"limit_validation": 4}
    settings["train"] |= {
        "learning_rate": 5e-3,
        "epochs": 1,
        "evaluations": 1,
        "mixing_temperature": 2.0,
        "replay": {"data": "data/general.jsonl", "share": 0.2},
        "ewc": {"data": "data/train.jsonl", "use": "task.py:Toy", "strength": 1.0, "rows": 4},
    }
    settings["eval"] = {"limit": 10, "gates": {"toy.accuracy": 0.0}}
    settings["bundle"] = {"form": "adapter"}
    return dict(settings)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = make_toy(tmp_path_factory.mktemp("two") / "toy")
    (root / "second.py").write_text(SECOND)
    (root / "data" / "two.jsonl").write_text(lines(row("two", number) for number in range(20)))
    (root / "data" / "general.jsonl").write_text(json.dumps(HELLO) + "\n")
    (root / "recipe.yaml").write_text(yaml.safe_dump(recipe(), sort_keys=False))
    return root


def test_the_check_and_the_plan_tell_each_task_and_its_share(project: Path) -> None:
    checks = {check["name"]: check["state"] for check in kit_json("check", cwd=project)["checks"]}
    assert {"toy: rows.train", "second: rows.train", "train.replay", "train.ewc"} <= set(checks)
    assert checks["second: rows.test"] == "held"
    plan = kit_json("train", "--dry-run", cwd=project)
    assert plan["estimate"]["memory"]["total"] > 0
    shares = [plan[f"share_of_{name}"] for name in ("toy", "second", "replay")]
    assert sum(shares) == pytest.approx(1, abs=1e-3)
    assert shares[2] == pytest.approx(0.2, abs=0.01)
    assert shares[0] > shares[1] > 0.2


def test_a_gate_that_names_no_task_is_refused_before_training(project: Path) -> None:
    settings = recipe() | {"eval": {"gates": {"accuracy": 0.5}}}
    before = (project / "recipe.yaml").read_text()
    try:
        (project / "recipe.yaml").write_text(yaml.safe_dump(settings))
        assert "TASK.METRIC" in kit("check", cwd=project, code=2).stderr
    finally:
        (project / "recipe.yaml").write_text(before)


def test_a_search_over_several_tasks_is_refused(project: Path) -> None:
    assert (
        "A search compares on the test examples of one task" in kit("search", "--dry-run", cwd=project, code=2).stderr
    )


def test_tasks_whose_main_metrics_point_both_ways_are_refused(project: Path) -> None:
    task = project / "second.py"
    wrong = """from kit.metrics.reductions import mean_of
from .task import Toy


class Second(Toy):
    name = "second"
    route = "/v1/second"
    metrics = {"mistakes": mean_of("right", higher_is_better=False)}
    main_metric = "mistakes"
"""
    task.write_text(wrong)
    try:
        assert "no single score can choose" in kit("train", "--dry-run", cwd=project, code=2).stderr
    finally:
        task.write_text(SECOND)


def test_one_bundle_is_scored_measured_and_served_for_both(project: Path) -> None:
    trained = kit_json("train", "--threads", "1", cwd=project)
    assert trained["not_as_asked"] == ""
    _explained(project)
    scores = trained["scores"]
    assert trained["score"] == pytest.approx((scores["toy.accuracy"] + scores["second.accuracy"]) / 2)
    assert scores["ewc_penalty"] > 0
    measured = _measured(project)
    assert [(task["task"], task["examples"]) for task in measured["tasks"]] == [("toy", 10), ("second", 10)]
    assert {gate["name"].split(":")[0] for gate in measured["gates"]} == {"toy", "second"}
    with serving("latest", "--engine", "local", "--threads", "1", cwd=project) as service:
        for route in ("/v1/toy", "/v1/second"):
            answer = httpx.post(f"{service.url}{route}", json={"text": "the food was cold"}, timeout=120)
            assert answer.status_code == 200, answer.text
            assert answer.json()["label"] in ("praise", "complaint")


def _explained(project: Path) -> None:
    """Each row of a step is found again, in its own task's file or among what is replayed."""
    told = kit_json("runs", "explain", "1", cwd=project)
    assert (told["changed"], told["unread"]) == (0, None)
    files = {"toy": "data/train.jsonl", "second": "data/two.jsonl"}
    for suspect in told["suspects"]:
        source = suspect["example"].split("/")[0]
        assert (suspect["place"] or "").rpartition(":")[0].endswith(files.get(source, ""))
        assert suspect["text"]
    assert {suspect["example"].split("/")[0] for suspect in told["suspects"]} >= set(files)


def _measured(project: Path) -> dict[str, Any]:
    """Whether its gates hold is not what this is about."""
    words = [sys.executable, "-m", "kit", "eval", "--json"]
    done = subprocess.run(words, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 3, 4), done.stdout + done.stderr
    return dict(json.loads(done.stdout))
