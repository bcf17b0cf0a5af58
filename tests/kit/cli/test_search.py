"""`kit search`: two workers share it, it resumes after a kill, and it reports whether the best beats the default."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml

from kit.base import NANO
from kit.chat import TOKENIZER_FILES
from kit.cli.search import show_result
from kit.cli.shared.output import Output
from kit.recipe import load_recipe
from kit.workflows import Counted, Note, search
from tests.kit.cli.conftest import ENVIRONMENT, run_kit
from tests.kit.toy import make_toy
from tests.kit.train.forks import tiny_base
from tests.kit.workflows.output import written_to

RANGES: dict[str, Any] = {
    "train.learning_rate": {"low": 1e-4, "high": 5e-2, "log": True},
    "train.lora.rank": {"choices": [8, 16]},
}
TRAIN = {"epochs": 3, "batch_rows": 6, "evaluations": 2, "learning_rate": 1e-3, "lora": {"rank": 8}}


def searchable(root: Path, **search: Any) -> Path:
    """A project on a tiny base with nano's tokenizer."""
    project = make_toy(root)
    tiny_base(project / "tiny", vocabulary=8192)
    for name in TOKENIZER_FILES:
        if (NANO / name).is_file():
            shutil.copyfile(NANO / name, project / "tiny" / name)
    recipe = yaml.safe_load((project / "recipe.yaml").read_text())
    recipe |= {"base": {"model": "./tiny", "dtype": "float32"}, "search": {"ranges": RANGES, **search}}
    recipe["train"] |= TRAIN
    (project / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    return project


def kill_after_first_trial(project: Path) -> None:
    """Begin a search, and kill it as the system does once a trial has ended."""
    words = [sys.executable, "-m", "kit", "search"]
    process = subprocess.Popen(words, cwd=project, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        assert any(line.startswith("trial ") for line in process.stderr), "the search ended without a trial"
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A search of six trials that was killed, and continued from Python in another folder; nothing is printed."""
    project = searchable(tmp_path_factory.mktemp("searched") / "toy", trials=6, workers=2, metric="validation_loss")
    kill_after_first_trial(project)
    events: list[object] = []
    with written_to(project.parent / "written.txt"):
        result = search(project, report=events.append)
    assert (project.parent / "written.txt").read_text() == ""
    assert any(isinstance(event, Note) and event.sentence.startswith("trial ") for event in events)
    assert Counted("Scoring the best", 20, 20) in events
    with redirect_stdout(StringIO()) as printed:
        show_result(Output(as_json=True), result)
    return project, json.loads(printed.getvalue())


def test_a_killed_search_goes_on_with_two_workers(searched: tuple[Path, dict[str, Any]]) -> None:
    """Which of them makes how many is up to the machine; that they share is tested beside the study."""
    _, found = searched
    assert len(found["tried"]) == 6
    assert {made["worker"] for made in found["tried"]} <= {0, 1}
    assert {log.name for log in Path(found["study"]).glob("worker-*.log")} == {"worker-0.log", "worker-1.log"}
    assert len({json.dumps(made["values"]) for made in found["tried"]}) == 6
    assert found["default"]["values"] == {"train.learning_rate": 1e-3, "train.lora.rank": 8}


def test_the_best_is_the_best_and_its_recipe_loads(searched: tuple[Path, dict[str, Any]]) -> None:
    _, found = searched
    complete = [made for made in found["tried"] if made["outcome"] == "complete"]
    assert found["best"] == min(complete, key=lambda made: made["value"])
    recipe = load_recipe(Path(found["recipe"]))
    assert recipe.train.learning_rate == found["best"]["values"]["train.learning_rate"]
    assert recipe.train.lora.rank == found["best"]["values"]["train.lora.rank"]
    assert recipe.train.epochs == 3


def test_what_beats_the_default_is_told_by_a_paired_interval(searched: tuple[Path, dict[str, Any]]) -> None:
    _, found = searched
    change = found["change"]
    assert found["best"]["number"] != found["default"]["number"]
    assert found["outcome"] == change["verdict"]
    inside = change["interval"]["low"] <= 0 <= change["interval"]["high"]
    assert (found["outcome"] == "cannot tell") == inside


def test_settings_have_an_importance_and_two_checkpoints_are_kept(searched: tuple[Path, dict[str, Any]]) -> None:
    project, found = searched
    assert set(found["importance"]) == set(RANGES)
    assert sum(found["importance"].values()) == pytest.approx(1)
    assert len(list(Path(found["study"]).glob("trials/*/checkpoints"))) == 2
    planned = run_kit("search", "--dry-run", "--json", cwd=project).json
    assert sum(planned["made"].values()) == 6


def test_what_would_be_tried_is_said_and_nothing_is_written(tmp_path: Path) -> None:
    project = searchable(tmp_path / "toy")
    shown = run_kit("search", "--dry-run", "--trials", "5", cwd=project)
    assert shown.code == 0, shown.err
    assert "5 trials by accuracy, 1 at a time" in shown.out
    assert "0.0001 to 0.05 (log)" in shown.out
    assert not (project / "search").exists()


@pytest.mark.parametrize(
    ("ranges", "said"),
    [
        ({"train.lerning_rate": {"low": 1e-4, "high": 1e-2}}, "Did you mean 'train.learning_rate'?"),
        ({"train.learning_rate": {"low": 1e-2, "high": 2e-2}}, "The default 0.001 is outside of the range."),
        ({"train.lora.rank": {"choices": [8, 9]}}, "The recipe refuses {'train.lora.rank': 9}"),
        ({"eval.limit": {"low": 1, "high": 9}}, "The recipe has no setting 'eval.limit' to search."),
        ({"train.epochs": {"low": 3}}, "A range needs"),
        ({}, "The recipe declares nothing to search."),
    ],
)
def test_a_range_that_cannot_be_searched_is_refused_before_anything_runs(
    ranges: dict[str, Any], said: str, tmp_path: Path
) -> None:
    project = searchable(tmp_path / "toy")
    recipe = yaml.safe_load((project / "recipe.yaml").read_text())
    (project / "recipe.yaml").write_text(yaml.safe_dump({**recipe, "search": {"ranges": ranges}}))
    ran = run_kit("search", "--dry-run", cwd=project)
    assert ran.code == 2
    assert said in ran.err
