"""A project: found from within, and its examples by part under a recipe."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.base import NANO
from kit.data.split import held_out
from kit.errors import InputError
from kit.project import PARTS, Project
from tests.kit.toy import RECIPE, lines, make_toy, row


def project(folder: Path, *changes: tuple[str, str]) -> Project:
    root = make_toy(folder / "toy")
    text = RECIPE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (root / "recipe.yaml").write_text(text)
    return Project(root)


def ids(found: list[object]) -> list[str]:
    return [each.id for each in found]  # type: ignore[attr-defined]


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
    assert all(held_out(each.group, 0.3) for each in validation)
    assert not any(held_out(each.group, 0.3) for each in train)


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


def test_several_tasks_on_one_data_set_are_refused_until_data_can_tell_them_apart(tmp_path: Path) -> None:
    here = project(tmp_path, ("  - use: task.py:Toy\n", "  - use: task.py:Toy\n  - use: task.py:Toy\n"))
    with pytest.raises(InputError, match="names several"):
        here.data(here.recipe())
