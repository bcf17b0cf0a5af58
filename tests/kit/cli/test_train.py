"""`kit train` from outside on a tiny project: what went wrong is named, and nothing broken is published."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from safetensors.torch import load_file, save_file

from kit.base import NANO
from kit.chat import Renderer
from tests.kit.cli.conftest import Ran, run_kit
from tests.kit.toy import lines, make_toy, row

SHORT = {"learning_rate": 5e-3, "epochs": 1, "batch_rows": 6, "evaluations": 1, "lora": {"rank": 8}}


def with_training(project: Path, **settings: object) -> Path:
    """The project with these settings of its training."""
    recipe = yaml.safe_load((project / "recipe.yaml").read_text())
    recipe["train"] |= {**SHORT, **settings}
    (project / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    return project


def broken(project: Path) -> str:
    """Train, hold that nothing is published, and return what was said."""
    ran = run_kit("train", cwd=project)
    assert ran.code == 1, ran.err
    assert not (project / "bundles").exists()
    assert not list(project.glob(".staging*"))
    return ran.err


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = with_training(make_toy(tmp_path_factory.mktemp("trained") / "toy"))
    ran = run_kit("train", cwd=project)
    assert ran.code == 0, ran.err
    return project


@pytest.fixture
def project(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "toy"))


def test_a_step_is_explained_by_its_rows_their_places_and_texts(trained: Path) -> None:
    ran = run_kit("train", "--explain", "3", "--json", cwd=trained)
    assert ran.code == 0, ran.err
    assert (ran.json["step"], ran.json["changed"], ran.json["unread"]) == (3, 0, None)
    assert len(ran.json["suspects"]) == 6
    for suspect in ran.json["suspects"]:
        place, text = suspect["place"], suspect["text"]
        number = int(place.rpartition(":")[2])
        example = json.loads((trained / "data/train.jsonl").read_text().splitlines()[number - 1])
        assert example["id"] == suspect["example"]
        assert text.endswith(f"→ {example['response']['label']}")
    told = run_kit("train", "--explain", "3", cwd=trained).out
    assert "The data are what they were." in told
    assert f"{trained}/data/train.jsonl:" in told


def test_rows_that_changed_since_are_told_as_changed(project: Path) -> None:
    suspects = run_kit("train", "--explain", "3", "--json", cwd=project).json["suspects"]
    changed, gone = suspects[0]["example"], suspects[1]["example"]
    other = {"request": {"text": "quite another sentence"}}
    rows = [row("train", number) for number in range(60) if f"train-{number}" != gone]
    text = lines({**each, **other} if each["id"] == changed else each for each in rows)
    (project / "data/train.jsonl").write_text(text)
    found = run_kit("train", "--explain", "3", "--json", cwd=project).json
    standing = {suspect["example"]: suspect["standing"] for suspect in found["suspects"]}
    assert (standing.pop(changed), standing.pop(gone)) == ("changed", "gone")
    assert set(standing.values()) == {"same"}
    told = run_kit("train", "--explain", "3", cwd=project).out
    assert "The data changed since: 2 of its 6 rows are not what was trained on" in told


def test_data_that_cannot_be_read_any_more_are_not_called_changed(project: Path) -> None:
    (project / "data/train.jsonl").write_text("no longer JSON\n")
    told = run_kit("train", "--explain", "3", cwd=project)
    assert told.code == 0
    assert "so they are not compared" in told.out
    assert "changed since:" not in told.out


def test_a_step_that_was_never_made_is_refused(trained: Path) -> None:
    ran = run_kit("train", "--explain", "99", cwd=trained)
    assert (ran.code, "Step 99 was not recorded." in ran.err) == (2, True)


def poisoned_base(project: Path, word: str) -> None:
    """Give the project a base in which the first token of a word is not a number."""
    folder = project / "poisoned"
    shutil.copytree(NANO, folder)
    token = Renderer(folder).answer(word)[0]
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": False}))
    state = load_file(folder / "model.safetensors")
    state["lm_head.weight"] = state["model.embed_tokens.weight"].clone()
    state["model.embed_tokens.weight"][token] = float("nan")
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    recipe = (project / "recipe.yaml").read_text()
    (project / "recipe.yaml").write_text(recipe.replace("model: nano", "model: ./poisoned"))


def test_a_poisoned_row_stops_the_run_by_name_and_is_explained(toy: Path) -> None:
    poison = row("train", 3, request={"text": "Zebra"})
    rows = [poison if number == 3 else row("train", number) for number in range(60)]
    (toy / "data/train.jsonl").write_text(lines(rows))
    with_training(toy)
    poisoned_base(toy, "Zebra")
    said = broken(toy)
    assert "the loss is nan; its worst rows: 'train-3' (loss nan)" in said
    step = said.partition("Step ")[2].partition(":")[0]
    found = run_kit("train", "--explain", step, "--json", cwd=toy).json
    assert (found["spike"], found["suspects"][0]["example"]) == (True, "train-3")


def test_a_learning_rate_that_diverges_stops_the_run_and_names_the_step(toy: Path) -> None:
    task = (toy / "task.py").read_text()
    words = task.replace("Choices(LABELS), self.options.budget", "FreeText(), 99").replace(
        "import Choices", "import FreeText"
    )
    backwards = words.replace("[response.label]", '[" ".join(reversed(request.text.split()))]')
    (toy / "task.py").write_text(backwards)
    lora = {"rank": 8, "alpha": 4096}
    with_training(toy, learning_rate=0.09, warmup=0, schedule="constant", lora=lora, batch_rows=4, epochs=2)
    said = broken(toy)
    assert "Training diverges: the loss of the 8 steps up to step" in said
    assert "Lower train.learning_rate" in said


def test_memory_time_and_cost_are_told_before_anything_is_paid_for(project: Path, tmp_path: Path) -> None:
    asked = ("--peak-tflops", "2", "--price-per-hour", "36")
    fresh = with_training(make_toy(tmp_path / "fresh"))
    unknown = run_kit("check", "--json", cwd=fresh).json["facts"]["estimate"]
    assert (unknown["seconds"], unknown["cost"], unknown["basis"]) == (None, None, "unmeasured")
    assert "time: could not be measured" in run_kit("check", cwd=fresh).out
    bound = run_kit("train", "--dry-run", *asked, "--json", cwd=fresh).json["estimate"]
    measured = run_kit("train", "--dry-run", *asked, "--json", cwd=project).json["estimate"]
    assert [bound["basis"], measured["basis"]] == ["peak", "measured"]
    assert bound["memory"] == measured["memory"] == unknown["memory"]
    assert measured["memory"]["total"] > measured["memory"]["weights"] > 15e6
    for estimate in (bound, measured):
        assert estimate["cost"] == pytest.approx(estimate["seconds"] / 100)
    assert 0 < bound["seconds"] < measured["seconds"]
    assert "at least" in run_kit("check", *asked, cwd=fresh).out


def test_a_weight_that_is_not_a_number_is_refused_where_it_stands(toy: Path) -> None:
    with_training(toy)
    text = lines(row("train", number, weight=float("nan") if number == 7 else 1.0) for number in range(60))
    (toy / "data/train.jsonl").write_text(text)
    ran = run_kit("train", cwd=toy)
    assert ran.code == 2
    assert "train.jsonl:8:" in ran.err
    assert not (toy / "runs").exists()


def test_rows_without_anything_to_learn_are_refused(toy: Path) -> None:
    task = (toy / "task.py").read_text()
    (toy / "task.py").write_text(task.replace("return [response.label]", "return [None]"))
    ran: Ran = run_kit("train", cwd=with_training(toy))
    assert ran.code == 2
    assert "No row is left with a token to learn from." in ran.err
    assert not (toy / "runs").exists()
