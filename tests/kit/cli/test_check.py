"""`kit check` reports every problem with its place, and never reports an unmeasured check as held."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from kit.base import NANO
from kit.errors import InputError
from kit.project.project import Project
from kit.workflows.steps.training.data import gather
from tests.kit.cli.conftest import Run
from tests.kit.toy import lines, row


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def states(answer: dict[str, list[dict[str, str]]]) -> dict[str, str]:
    return {check["name"]: check["state"] for check in answer["checks"]}


def test_a_sound_project_holds_and_its_small_size_is_a_warning_only(toy: Path, run: Run) -> None:
    ran = run("check", "--json", cwd=toy)
    assert ran.code == 0
    found = states(ran.json)
    assert {name for name, state in found.items() if state != "held"} == {"data.count"}
    assert ran.json["facts"]["data"]["test"] == {"examples": 20, "groups": 10, "tags": {}}
    assert ran.json["facts"]["rows"]["train"]["longest"] <= 256


def test_it_works_from_a_folder_inside_the_project(toy: Path, run: Run) -> None:
    assert run("check", "--recipe-only", cwd=toy / "data").code == 0


def test_an_unknown_recipe_key_is_told_with_line_and_near_miss(toy: Path, run: Run) -> None:
    edit(toy / "recipe.yaml", "max_length: 256", "max_lenght: 256")
    ran = run("check", "--recipe-only", cwd=toy)
    assert ran.code == 2
    where = f"{toy / 'recipe.yaml'}:7: train.max_lenght"
    assert f"{where}: Unknown key 'max_lenght'. Did you mean 'max_length'?\n" in ran.err


def test_broken_yaml_is_told_with_line_and_column(toy: Path, run: Run) -> None:
    edit(toy / "recipe.yaml", "base: {model: nano}", "base: {model: nano")
    ran = run("check", "--recipe-only", "--json", cwd=toy)
    assert ran.code == 2
    assert ran.json["error"]["problems"][0]["where"].startswith(f"{toy / 'recipe.yaml'}:4:")


def test_an_unknown_profile_gets_the_near_miss(toy: Path, run: Run) -> None:
    ran = run("check", "--profile", "shrot", cwd=toy)
    assert ran.code == 2
    assert "There is no profile 'shrot'. Did you mean 'short'?" in ran.err


def test_a_task_that_cannot_be_imported_is_told_with_its_line(toy: Path, run: Run) -> None:
    edit(toy / "task.py", 'LABELS = ("praise", "complaint")', "LABELS = LABLES")
    ran = run("check", "--recipe-only", cwd=toy)
    assert ran.code == 2
    assert f"{toy / 'task.py'}:8: It cannot be imported: NameError: name 'LABLES' is not defined" in ran.err


def test_three_mistakes_in_one_data_file_are_all_told_with_line_and_column(toy: Path, run: Run) -> None:
    rows = [json.dumps(row("train", number)) for number in range(6)]
    rows[1] = rows[1].replace('"text": "', '"text": "broken"; "')
    rows[3] = rows[3].replace('"group"', '"gruop"')
    rows[4] = rows[4].replace('"praise"', "3").replace('"complaint"', "3")
    file = toy / "data" / "train.jsonl"
    file.write_text("\n".join(rows) + "\n")
    ran = run("check", cwd=toy)
    assert ran.code == 2
    shown = ran.err.splitlines()
    assert shown[0] == f"{file}:2:{rows[1].index(';') + 1}: This is not JSON: Expecting ',' delimiter."
    unknown = f"{file}:4:{rows[3].index('gruop')}: gruop: Unknown key 'gruop'. Did you mean 'group'?"
    assert unknown in shown
    wrong = f"{file}:5:{rows[4].index('label')}: response.label: This must be 'praise' or 'complaint'."
    assert shown[-1] == wrong


def test_mistakes_in_the_training_and_in_the_test_file_are_told_together(toy: Path, run: Run) -> None:
    (toy / "data" / "train.jsonl").write_text("{\n")
    (toy / "data" / "test.jsonl").unlink()
    shown = run("check", cwd=toy).err
    assert "train.jsonl:1:2: This is not JSON" in shown
    assert "test.jsonl: There is no such data file." in shown


def test_a_row_that_does_not_fit_is_told_with_its_line_and_length(toy: Path, run: Run) -> None:
    long = row("train", 99, request={"text": "and it went on " * 80})
    with (toy / "data" / "train.jsonl").open("a") as stream:
        stream.write(lines([long]))
    ran = run("check", cwd=toy)
    assert ran.code == 2
    assert (
        f"FAILED  rows.train: One problem.\n              {toy / 'data' / 'train.jsonl'}:61: Example 'train-99'"
        in ran.out
    )
    assert "the longest allowed is 256" in ran.out
    assert "ok  serve.context" in ran.out


def test_a_row_that_does_not_fit_can_be_dropped_and_is_then_counted(toy: Path, run: Run) -> None:
    long = row("train", 99, request={"text": "and it went on " * 80})
    with (toy / "data" / "train.jsonl").open("a") as stream:
        stream.write(lines([long]))
    edit(toy / "recipe.yaml", "train:\n", "data: {too_long: drop}\ntrain:\n")
    ran = run("check", cwd=toy)
    assert ran.code == 0
    assert "warning  rows.train: 1 rows are too long and were dropped" in ran.out


def test_an_answer_beyond_its_own_budget_is_told(toy: Path, run: Run) -> None:
    edit(toy / "recipe.yaml", "use: task.py:Toy", "use: task.py:Toy\n    options: {budget: 1}")
    ran = run("check", cwd=toy)
    assert ran.code == 2
    assert "its prompt allows 1." in ran.out


def test_an_answer_that_the_serving_context_has_no_room_for_is_told(toy: Path, run: Run) -> None:
    edit(toy / "recipe.yaml", "use: task.py:Toy", "use: task.py:Toy\n    options: {budget: 2040}")
    ran = run("check", cwd=toy)
    assert ran.code == 2
    assert "FAILED  serve.context" in ran.out
    assert "exceed serve.max_length, which is 2048" in ran.out


def test_an_unknown_task_option_gets_the_near_miss(toy: Path, run: Run) -> None:
    edit(toy / "recipe.yaml", "use: task.py:Toy", "use: task.py:Toy\n    options: {bugdet: 9}")
    ran = run("check", "--recipe-only", cwd=toy)
    assert ran.code == 2
    assert "Unknown key 'bugdet'. Did you mean 'budget'?" in ran.err


def test_without_the_base_model_rows_are_not_measured_and_that_is_not_success(toy: Path, run: Run) -> None:
    ran = run("check", "--profile", "elsewhere", "--json", cwd=toy)
    assert ran.code == 3
    found = states(ran.json)
    assert found["data.groups"] == "held"
    assert found["base"] == found["rows.train"] == found["serve.context"] == "unmeasured"


def test_a_base_folder_that_is_not_there_is_the_users_mistake(toy: Path, run: Run) -> None:
    edit(toy / "recipe.yaml", "base: {model: nano}", "base: {model: ./weights}")
    ran = run("check", cwd=toy)
    assert ran.code == 2
    assert "There is no base model" in ran.err


def test_a_group_on_both_sides_fails(toy: Path, run: Run) -> None:
    with (toy / "data" / "test.jsonl").open("a") as stream:
        stream.write(lines([row("late", 1, group="train-7")]))
    ran = run("check", cwd=toy)
    assert ran.code == 2
    assert f"FAILED  data.groups: One problem.\n{'':>14}{toy}/data/test.jsonl:21: The group 'train-7' is in " in ran.out


def test_a_context_that_the_base_does_not_have_fails(toy: Path, run: Run) -> None:
    edit(toy / "recipe.yaml", "max_length: 256", "max_length: 4096")
    ran = run("check", cwd=toy)
    assert ran.code == 2
    assert "The base's context is 2048 tokens; train.max_length is 4096." in ran.out


def test_an_adapter_on_the_embeddings_fails(toy: Path, run: Run) -> None:
    edit(toy / "recipe.yaml", "  max_length: 256", "  max_length: 256\n  lora: {targets: [q_proj, lm_head]}")
    ran = run("check", cwd=toy)
    assert ran.code == 2
    assert "FAILED  train.lora.targets: lm_head" in ran.out


def test_a_gate_on_a_metric_that_the_task_does_not_have_fails_with_the_near_miss(toy: Path, run: Run) -> None:
    edit(toy / "recipe.yaml", "train:\n  max", "eval: {gates: {accurracy: 0.9}}\ntrain:\n  max")
    ran = run("check", cwd=toy)
    assert ran.code == 2
    assert "FAILED  eval.gates" in ran.out
    assert "Did you mean 'accuracy'?" in ran.out


def test_the_tokens_of_the_training_are_told_by_epochs(toy: Path, run: Run) -> None:
    edit(toy / "recipe.yaml", "  max_length: 256", "  max_length: 256\n  epochs: 3")
    facts = run("check", "--json", cwd=toy).json["facts"]
    assert facts["training"] == {"epochs": 3, "tokens": 3 * facts["rows"]["train"]["tokens"]}


def test_a_range_that_cannot_be_searched_is_told_before_a_search(toy: Path, run: Run) -> None:
    ranges = "search:\n  ranges:\n    train.learning_rate: {low: 1e-2, high: 2e-2}\n"
    edit(toy / "recipe.yaml", "profiles:\n", f"{ranges}profiles:\n")
    assert states(run("check", "--json", cwd=toy).json)["search.ranges"] == "failed"
    assert "warning  search.ranges" in run("check", cwd=toy).out
    edit(toy / "recipe.yaml", "low: 1e-2", "low: 1e-4")
    assert states(run("check", "--json", cwd=toy).json)["search.ranges"] == "held"


def test_a_missing_base_is_one_finding_that_names_what_waits_for_it_and_a_profile_that_can_be_checked(
    toy: Path, run: Run
) -> None:
    edit(toy / "recipe.yaml", "base: {model: nano}", "base: {model: nobody/nothing-at-all}")
    edit(toy / "recipe.yaml", "    train: {max_length: 64}", "    base: {model: nano}")
    ran = run("check", cwd=toy)
    assert ran.code == 3
    assert ran.out.count("not measured  ") == 1
    assert "Not measured without it: base.architecture, base.context," in ran.out
    assert ran.out.splitlines()[-1].endswith("is on this machine: kit check --profile short")
    checks = run("check", "--json", cwd=toy).json["checks"]
    waiting = [check["name"] for check in checks if check["waits_for"] == "base"]
    assert {"rows.train", "rows.validation", "rows.test", "serve.context"} <= set(waiting)
    assert run("check", "--profile", "short", cwd=toy).code == 0


def test_no_profile_is_named_for_a_base_that_is_here_and_unsound_and_what_waits_for_it_is_named_once(
    toy: Path, run: Run
) -> None:
    """Its profile has the same base, so checking that would find the same."""
    shutil.copytree(NANO, toy / "models" / "cut")
    for weights in (toy / "models" / "cut").glob("*.safetensors"):
        weights.write_bytes(b"")
    edit(toy / "recipe.yaml", "base: {model: nano}", "base: {model: models/cut}")
    ran = run("check", cwd=toy)
    assert ran.code == 2
    assert "This is not a safetensors file. Get this file again." in ran.out
    assert "kit check --profile" not in ran.out
    assert "not measured  " not in ran.out
    (waiting,) = [line for line in ran.out.splitlines() if "Not measured without it: " in line]
    assert "base.tensors, base.ids, base.values, base.template, base.architecture" in waiting


def test_a_test_file_that_is_the_training_file_is_refused_by_check_and_by_train(toy: Path, run: Run) -> None:
    shutil.copy(toy / "data" / "train.jsonl", toy / "data" / "test.jsonl")
    ran = run("check", cwd=toy)
    assert ran.code == 2
    assert "FAILED  data.leaks: " in ran.out
    with pytest.raises(InputError, match=rf"{toy}/data/test\.jsonl:1: .* has the same request as"):
        gathered(toy)


def test_a_test_row_among_the_replayed_rows_is_refused_by_check_and_by_train(toy: Path, run: Run) -> None:
    (toy / "data" / "earlier.jsonl").write_text(lines([row("earlier", 1), row("test", 4, id="e", group="e")]))
    replay = "  max_length: 256\n  replay: {data: data/earlier.jsonl, use: task.py:Toy}\n"
    edit(toy / "recipe.yaml", "  max_length: 256\n", replay)
    ran = run("check", "--json", cwd=toy)
    assert ran.code == 2
    (check,) = (check for check in ran.json["checks"] if check["name"] == "train.replay.leaks")
    (problem,) = check["problems"]
    assert problem["what"] == "The request of 'test-4' is in data/earlier.jsonl too."
    assert problem["where"].endswith("data/test.jsonl:5")
    with pytest.raises(InputError, match="The request of 'test-4' is in data/earlier"):
        gathered(toy)


def test_a_replayed_turn_without_a_word_is_refused_by_check_with_its_line(toy: Path, run: Run) -> None:
    blank = {"messages": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": " "}]}
    (toy / "data" / "general.jsonl").write_text(lines([blank]))
    edit(toy / "recipe.yaml", "  max_length: 256\n", "  max_length: 256\n  replay: {data: data/general.jsonl}\n")
    ran = run("check", cwd=toy)
    assert ran.code == 2
    assert f"{toy}/data/general.jsonl:1: Turn 2, the assistant's, is empty" in ran.out


def test_the_ceiling_is_printed_and_what_stays_below_it_is_named(toy: Path, run: Run) -> None:
    assert "ok  data.ceiling: Perfect answers score accuracy 1.000 on train, 1.000 on" in run("check", cwd=toy).out
    edit(toy / "task.py", "return Verdict(label=completions[0].text)", "return Verdict(label='praise')")
    ran = run("check", cwd=toy)
    assert ran.code == 0
    assert "warning  data.ceiling: Perfect answers score accuracy 0." in ran.out
    assert f"{toy}/data/train.jsonl:1: Example 'train-0': a perfect answer scores accuracy 0.000" in ran.out
    assert run("check", "--json", cwd=toy).json["facts"]["ceiling"]["accuracy"]["test"] == 0.5


def test_a_label_that_is_not_tested_is_a_warning_until_the_recipe_waives_it(toy: Path, run: Run) -> None:
    (toy / "data" / "test.jsonl").write_text(lines(row("test", number) for number in range(1, 20, 2)))
    ran = run("check", cwd=toy)
    assert ran.code == 0
    assert "warning  data.labels: " in ran.out
    assert "training examples and no test example have the label 'complaint'." in ran.out
    edit(toy / "recipe.yaml", "train:\n  max", "eval: {untested_labels: [complaint]}\ntrain:\n  max")
    assert states(run("check", "--json", cwd=toy).json)["data.labels"] == "held"


def test_no_modules_to_adapt_are_refused_in_the_recipe(toy: Path, run: Run) -> None:
    for none in ("[]", "''"):
        edit(toy / "recipe.yaml", "  max_length: 256", f"  max_length: 256\n  lora: {{targets: {none}}}")
        ran = run("check", "--recipe-only", cwd=toy)
        assert ran.code == 2
        assert "train.lora.targets: " in ran.err
        edit(toy / "recipe.yaml", f"\n  lora: {{targets: {none}}}", "")


def gathered(toy: Path) -> object:
    """What `kit train` reads before it starts."""
    project = Project(toy)
    return gather(project, project.recipe(), project.renderer(project.recipe()))
