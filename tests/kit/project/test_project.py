"""A project: found from within, and its examples by part under a recipe."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.base import NANO
from kit.data.assignment import PARTS
from kit.data.split import VALIDATION, held_out
from kit.errors import InputError
from kit.project.project import AnyExample, Project
from tests.kit.toy import RECIPE, lines, make_toy, row


def project(folder: Path, *changes: tuple[str, str]) -> Project:
    root = make_toy(folder / "toy")
    text = RECIPE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (root / "recipe.yaml").write_text(text)
    return Project(root)


def ids(found: list[AnyExample]) -> list[str]:
    return [each.id for each in found]


def test_it_is_found_from_a_folder_within_and_not_from_one_beside(tmp_path: Path) -> None:
    root = project(tmp_path).root
    assert Project.find(root / "data").root == root
    with pytest.raises(InputError, match=r"No recipe\.yaml here or in a folder above"):
        Project.find(tmp_path)


def test_validation_is_held_out_of_training_by_whole_groups(tmp_path: Path) -> None:
    here = project(tmp_path, ("train:\n", "data: {validation_share: 0.3}\ntrain:\n"))
    data = here.data(here.recipe())
    train, validation = data.examples("train"), data.examples("validation")
    assert len(train) + len(validation) == 60
    assert validation
    assert all(held_out(each.group, 0.3, VALIDATION) for each in validation)
    assert not any(held_out(each.group, 0.3, VALIDATION) for each in train)


@pytest.mark.parametrize("groups", [2, 3, 5, 8])
def test_few_groups_are_enough_to_choose_a_checkpoint_by(tmp_path: Path, groups: int) -> None:
    here = project(tmp_path)
    rows = [row("train", number, group=f"group-{number % groups}") for number in range(groups * 2)]
    (here.root / "data" / "train.jsonl").write_text(lines(rows))
    data = here.data(here.recipe())
    train, validation = data.examples("train"), data.examples("validation")
    assert validation
    assert len(train) > len(validation) or groups == 2


def test_rows_of_one_group_are_refused_for_want_of_validation_and_not_of_something_to_learn(tmp_path: Path) -> None:
    here = project(tmp_path)
    rows = [row("train", number, group="only") for number in range(5)]
    (here.root / "data" / "train.jsonl").write_text(lines(rows))
    recipe = here.recipe()
    data = here.data(recipe)
    with pytest.raises(InputError, match=r"^There are no validation examples: whole groups are held out"):
        data.require_sound()
    with pytest.raises(InputError, match=r"^There are no validation examples\."):
        data.rows(here.renderer(recipe), "validation")


def test_an_augmented_group_is_not_the_one_that_validates(tmp_path: Path) -> None:
    here = project(tmp_path)
    made = [row("made", number, provenance={"augmented": "rules"}) for number in range(40)]
    rows = [row("train", number, group=f"group-{number}") for number in range(2)]
    (here.root / "data" / "train.jsonl").write_text(lines([*made, *rows]))
    data = here.data(here.recipe())
    assert len(data.examples("validation")) == 1
    assert len(data.examples("train")) == 41


def test_a_place_is_that_of_its_own_part_where_two_files_use_the_same_ids(tmp_path: Path) -> None:
    here = project(tmp_path, ("train:\n", "data: {validation: data/own.jsonl}\ntrain:\n"))
    own = [row("own", number, id=f"train-{number}") for number in (1, 0)]
    (here.root / "data" / "own.jsonl").write_text(lines(own))
    data = here.data(here.recipe())
    assert data.places("train")["train-1"].endswith("train.jsonl:2")
    assert data.places("validation")["train-1"].endswith("own.jsonl:1")


def test_a_validation_file_leaves_the_training_file_whole(tmp_path: Path) -> None:
    here = project(tmp_path, ("train:\n", "data: {validation: data/own.jsonl}\ntrain:\n"))
    (here.root / "data" / "own.jsonl").write_text(lines(row("own", number) for number in range(4)))
    data = here.data(here.recipe())
    assert len(data.examples("train")) == 60
    assert ids(data.examples("validation")) == [f"own-{number}" for number in range(4)]


def test_limits_choose_the_same_examples_every_time(tmp_path: Path) -> None:
    limits = "data: {limit_train: 9, limit_validation: 3, validation_share: 0.3}\neval: {limit: 5}\ntrain:\n"
    here = project(tmp_path, ("train:\n", limits))
    chosen = [[ids(here.data(here.recipe()).examples(part)) for part in PARTS] for _ in range(2)]
    assert [len(part) for part in chosen[0]] == [9, 3, 5]
    assert chosen[0] == chosen[1]


def test_rows_of_every_part_name_the_line_of_what_does_not_fit(tmp_path: Path) -> None:
    here = project(tmp_path, ("max_length: 256", "max_length: 24"))
    recipe = here.recipe()
    data = here.data(recipe)
    with pytest.raises(InputError) as caught:
        data.rows(here.renderer(recipe), "train")
    assert caught.value.problems[0].where == f"{here.root / 'data' / 'train.jsonl'}:1"
    assert len(data.rows(here.renderer(recipe), "test").rows) == 20


def test_a_relative_base_is_meant_from_the_projects_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = project(tmp_path, ("model: nano", "model: ./weights"))
    (here.root / "weights").symlink_to(NANO)
    monkeypatch.chdir(tmp_path)
    base = here.base(here.recipe())
    assert (base.name, base.folder) == ("./weights", NANO)


TWO_TASKS = (
    "  - use: task.py:Toy\n",
    "  - use: task.py:Toy\n  - use: second.py:Second\n    data: {train: data/two.jsonl, limit_train: 7}\n",
)
SECOND = """
from .task import Toy


class Second(Toy):
    name = "second"
    route = "/v1/second"
"""


def two_tasks(folder: Path) -> Project:
    here = project(folder, TWO_TASKS)
    (here.root / "second.py").write_text(SECOND)
    (here.root / "data" / "two.jsonl").write_text(lines(row("two", number) for number in range(30)))
    return here


def test_each_task_reads_its_own_files_and_others_where_the_recipe_says(tmp_path: Path) -> None:
    here = two_tasks(tmp_path)
    first, second = here.all_data(here.recipe())
    assert len(second.examples("train")) == 7
    assert {each.id.split("-")[0] for each in second.examples("train")} == {"two"}
    assert ids(first.examples("test")) == ids(second.examples("test"))


def test_one_task_of_several_is_asked_for_by_name(tmp_path: Path) -> None:
    here = two_tasks(tmp_path)
    recipe = here.recipe()
    assert here.data(recipe, "second").task.name == "second"
    with pytest.raises(InputError, match="--task: The recipe has several tasks"):
        here.data(recipe)
    with pytest.raises(InputError, match=r"no task .secnd"):
        here.data(recipe, "secnd")


def test_two_tasks_of_one_name_or_one_route_are_refused(tmp_path: Path) -> None:
    here = project(tmp_path, ("  - use: task.py:Toy\n", "  - use: task.py:Toy\n  - use: task.py:Toy\n"))
    with pytest.raises(InputError, match="Two tasks of the recipe have the name 'toy'"):
        here.tasks(here.recipe())


def test_what_was_augmented_is_trained_on_and_never_measured_by(tmp_path: Path) -> None:
    here = project(tmp_path, ("train:\n", "data: {validation_share: 0.3}\ntrain:\n"))
    recipe = here.recipe()
    train = here.root / "data" / "train.jsonl"
    before = [ids(here.data(recipe).examples(part)) for part in PARTS]
    made = [row("train", number, id=f"made-{number}", provenance={"augmented": "rules"}) for number in range(60)]
    train.write_text(train.read_text() + lines(made))
    after = [ids(here.data(recipe).examples(part)) for part in PARTS]
    assert after[1:] == before[1:]
    assert len(after[0]) == 2 * len(before[0])
    test = here.root / "data" / "test.jsonl"
    test.write_text(test.read_text() + lines(made[:1]))
    with pytest.raises(InputError, match=r"test\.jsonl:21: The example 'made-0' is augmented"):
        here.data(recipe).examples("test")
