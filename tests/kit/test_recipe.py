"""The recipe: one schema, profiles laid over it, and mistakes told as sentences."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.errors import InputError
from kit.recipe import load_recipe

RECIPE = """
name: toy
base: {model: nano}
tasks: [{use: "task.py:Toy"}]
train: {learning_rate: 0.0002, lora: {rank: 32}}
profiles:
  smoke: {train: {learning_rate: 0.002}}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(text)
    return path


def test_a_profile_is_merged_deep_and_the_rest_stays(tmp_path: Path) -> None:
    path = write(tmp_path, RECIPE)
    assert load_recipe(path).train.learning_rate == 0.0002
    smoke = load_recipe(path, "smoke")
    assert (smoke.train.learning_rate, smoke.train.lora.rank) == (0.002, 32)


def test_the_digest_follows_the_resolved_values_and_nothing_else(tmp_path: Path) -> None:
    digest = load_recipe(write(tmp_path, RECIPE)).digest()
    assert load_recipe(write(tmp_path, RECIPE + "\n# a comment\n")).digest() == digest
    assert load_recipe(write(tmp_path, RECIPE), "smoke").digest() != digest


@pytest.mark.parametrize(
    ("change", "where", "advice"),
    [
        (("learning_rate: 0.0002", "learning_rat: 1"), "train.learning_rat", "Did you mean 'learning_rate'?"),
        (("rank: 32", "rnak: 32"), "train.lora.rnak", "Did you mean 'rank'?"),
        (("name: toy", "nam: toy"), "nam", "Did you mean 'name'?"),
        (("use:", "user:"), "tasks.0.user", "Did you mean 'use'?"),
    ],
)
def test_an_unknown_key_is_named_with_its_near_miss(
    tmp_path: Path, change: tuple[str, str], where: str, advice: str
) -> None:
    with pytest.raises(InputError) as caught:
        load_recipe(write(tmp_path, RECIPE.replace(*change)))
    told = [problem for problem in caught.value.problems if problem.where.endswith(f" {where}")]
    assert told
    assert told[0].next == advice


def test_all_problems_are_told_at_once_and_those_of_unused_profiles_too(tmp_path: Path) -> None:
    text = RECIPE.replace("rank: 32", "rank: 5").replace("smoke: {train: {", "smoke: {train: {clipp: 1, ")
    with pytest.raises(InputError) as caught:
        load_recipe(write(tmp_path, text))
    assert any("profiles.smoke" in problem.where for problem in caught.value.problems)
    assert any("train.lora.rank" in problem.where for problem in caught.value.problems)


def test_an_unknown_profile_is_told_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Did you mean 'smoke'"):
        load_recipe(write(tmp_path, RECIPE), "smok")


def test_what_is_not_yaml_is_told_with_line_and_column(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"recipe\.yaml:3:\d+"):
        load_recipe(write(tmp_path, "name: toy\nbase: [\n"))


@pytest.mark.parametrize("seed", [2**70, 2**31, -1])
def test_a_seed_that_no_generator_takes_is_refused_by_its_name(tmp_path: Path, seed: int) -> None:
    text = RECIPE.replace("learning_rate: 0.0002", f"seed: {seed}")
    with pytest.raises(InputError) as caught:
        load_recipe(write(tmp_path, text))
    assert any(problem.where.endswith(" train.seed") for problem in caught.value.problems)
