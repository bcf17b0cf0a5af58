"""`kit train` on what must not be trained on, and on what goes wrong: it stops, says why, and publishes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kit.chat import Renderer
from tests.kit.bases import copy_nano, overflow_on
from tests.kit.cli.conftest import run_kit, with_training
from tests.kit.toy import lines, row


def broken(project: Path, *words: str) -> str:
    """Train; hold that it broke, that nothing is published and no run counts as finished; return what was said."""
    ran = run_kit("train", *words, cwd=project)
    assert ran.code == 1, ran.err
    assert not (project / "bundles").exists()
    assert not list(project.glob(".staging*"))
    assert not list(project.glob("runs/*/report.json"))
    assert not [run for run in runs(project) if run["state"] != "failed" or run["bundle"]]
    return ran.err


def runs(project: Path) -> list[dict[str, Any]]:
    """What `kit runs` shows."""
    ran = run_kit("runs", "--json", cwd=project)
    assert ran.code == 0, ran.err
    return list(ran.json["runs"])


def with_rows(project: Path, number: int, **changes: object) -> None:
    """Sixty training examples, one of them changed."""
    rows = [row("train", each, **(changes if each == number else {})) for each in range(60)]
    (project / "data/train.jsonl").write_text(lines(rows))


def with_task(project: Path, *changes: tuple[str, str]) -> None:
    """The toy's task with other words in it."""
    text = (project / "task.py").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (project / "task.py").write_text(text)


@pytest.mark.parametrize("weight", [float("nan"), float("inf"), -1.0])
def test_a_weight_that_poisons_breaks_a_run_before_it_begins_and_is_input_to_a_check(toy: Path, weight: float) -> None:
    with_rows(with_training(toy), 7, weight=weight)
    said = broken(toy)
    assert "data/train.jsonl:8:" in said
    assert ": weight: " in said or "JSON has no such number." in said
    assert "Nothing was trained or published." in said
    assert not (toy / "runs").exists()
    assert run_kit("check", cwd=toy).code == 2


def test_one_example_that_is_masked_whole_breaks_a_run_by_name(toy: Path) -> None:
    with_task(toy, ("return [response.label]", "return [response.label if request.language == 'en' else None]"))
    with_rows(with_training(toy), 7, request={"text": "mute", "language": "xx"})
    said = broken(toy)
    assert f"{toy}/data/train.jsonl:8: Example 'train-7' has no target to learn from." in said
    assert "Nothing was trained or published." in said
    assert not (toy / "runs").exists()
    checked = run_kit("check", cwd=toy)
    assert (checked.code, "Example 'train-7' has no target to learn from." in checked.out) == (2, True)


def test_a_set_that_is_masked_whole_breaks_a_run(toy: Path) -> None:
    with_rows(with_training(toy), 7)
    muted = [row("train", each, weight=0.0) for each in range(60)]
    (toy / "data/train.jsonl").write_text(lines(muted))
    assert "No training row has a token to learn from." in broken(toy)
    assert not (toy / "runs").exists()


def test_a_replayed_dialogue_that_is_masked_whole_breaks_a_run_by_its_line(toy: Path) -> None:
    said = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Good day."}]
    muted = [said[0], {**said[1], "weight": 0}]
    (toy / "general.jsonl").write_text(lines([{"messages": said}, {"messages": muted}]))
    with_training(toy, replay={"data": "general.jsonl"})
    shown = broken(toy)
    assert "general.jsonl:2:" in shown
    assert "there is no assistant's turn to learn from" in shown


def test_what_is_only_badly_written_is_input(toy: Path) -> None:
    with_rows(with_training(toy), 7, request={})
    ran = run_kit("train", cwd=toy)
    assert (ran.code, "The key 'text' is missing." in ran.err) == (2, True)


def poisoned_base(project: Path, word: str) -> None:
    """Give the project a base that overflows on the first token of a word."""
    folder = copy_nano(project / "poisoned")
    overflow_on(folder, Renderer(folder).answer(word)[0])
    recipe = (project / "recipe.yaml").read_text()
    (project / "recipe.yaml").write_text(recipe.replace("model: nano", "model: ./poisoned"))


def test_a_row_whose_loss_is_not_finite_breaks_the_run_by_name_and_is_explained(toy: Path) -> None:
    with_rows(toy, 3, request={"text": "Zebra"})
    with_training(toy)
    poisoned_base(toy, "Zebra")
    said = broken(toy)
    assert "the loss is nan; its worst rows: 'train-3' (loss nan)" in said
    step = said.partition("Step ")[2].partition(":")[0]
    found = run_kit("runs", "explain", step, "--json", cwd=toy).json
    assert (found["spike"], found["suspects"][0]["example"]) == (True, "train-3")
    (run,) = runs(toy)
    assert "'train-3' (loss nan)" in run["sentence"]


def test_a_learning_rate_that_diverges_breaks_the_run_and_names_the_step(toy: Path) -> None:
    words = ("Choices(LABELS), self.options.budget", "FreeText(), 99"), ("import Choices", "import FreeText")
    with_task(toy, *words, ("[response.label]", '[" ".join(reversed(request.text.split()))]'))
    lora = {"rank": 8, "alpha": 4096}
    with_training(toy, learning_rate=0.09, warmup=0, schedule="constant", lora=lora, batch_rows=4, epochs=2)
    said = broken(toy)
    assert "Training diverges: the mean loss of the 8 steps up to step" in said
    assert "Lower train.learning_rate" in said
    (run,) = runs(toy)
    assert run["sentence"].startswith("Training diverges")


def test_an_error_in_the_tasks_code_names_file_line_and_method(toy: Path) -> None:
    with_task(with_training(toy), ("Verdict(label=completions[0].text)", "Verdict(label=completions[0].txt)"))
    line = next(at for at, text in enumerate((toy / "task.py").read_text().splitlines(), start=1) if ".txt" in text)
    ran = run_kit("train", cwd=toy)
    shown = (
        f"{toy}/task.py:{line}: The task broke in Toy.read: AttributeError: 'Completion' object has no attribute 'txt'"
    )
    assert (ran.code, shown in ran.err) == (2, True), ran.err
    assert runs(toy)[0]["sentence"].startswith(shown)
    with_task(toy, ("self.options.budget", "self.options.bugdet"))
    checked = run_kit("check", cwd=toy)
    assert (checked.code, "The task broke in Toy.prompts: AttributeError" in checked.err + checked.out) == (2, True)


def test_a_context_that_the_task_does_not_fit_is_refused_alike_by_check_and_train(toy: Path) -> None:
    with_training(toy)
    recipe = (toy / "recipe.yaml").read_text()
    (toy / "recipe.yaml").write_text(recipe + "serve: {max_length: 64}\n")
    with_task(toy, ("budget: Annotated[int, Field(ge=1)] = 16", "budget: Annotated[int, Field(ge=1)] = 60"))
    checked, trained = (run_kit(command, cwd=toy) for command in ("check", "train"))
    assert (checked.code, trained.code) == (2, 2)
    for said in (checked.out, trained.err):
        assert "exceed serve.max_length, which is 64. Raise serve.max_length to" in said
    assert not (toy / "runs").exists()


def test_a_store_that_cannot_be_written_to_is_told_before_training(toy: Path) -> None:
    (with_training(toy) / "bundles").write_text("a file where a folder has to be")
    ran = run_kit("train", cwd=toy)
    assert (ran.code, "The store of bundles cannot be written to" in ran.err) == (2, True)
    assert not (toy / "runs").exists()


def test_a_bundle_that_would_not_answer_is_not_published_and_is_built_without_training_again(toy: Path) -> None:
    """`read` finds its file only where the project is the current folder, which is so while it is trained."""
    (with_training(toy) / "words.txt").write_text("read")
    own, far = "return Verdict(label", "open('words.txt').read()\n        return Verdict(label"
    with_task(toy, (own, far))
    ran = run_kit("train", cwd=toy)
    assert (ran.code, "The bundle does not work as it would be served" in ran.err) == (4, True), ran.err
    assert "The task broke in Toy.read: FileNotFoundError" in ran.err
    assert "This is the bundle's copy: correct the project's file" in ran.err
    assert not (toy / "bundles").exists()
    with_task(toy, ("open('words.txt').read()\n        ", ""))
    again = run_kit("train", "--resume", "--json", cwd=toy)
    assert again.code == 0, again.err
    assert "step 1/" not in again.err
    assert [(run["state"], run["bundle"]) for run in runs(toy)] == [("finished", again.json["bundle"])]
