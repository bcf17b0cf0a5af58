"""The recipe: one schema, profiles merged over it, and mistakes reported as sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from kit.errors import InputError
from kit.recipe import Recipe, load_recipe, profile_names

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
    shown = [problem for problem in caught.value.problems if problem.where.endswith(f" {where}")]
    assert shown
    assert shown[0].next == advice


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


def test_the_profiles_are_named_in_the_order_of_the_file(tmp_path: Path) -> None:
    assert profile_names(write(tmp_path, RECIPE + "  another: {}\n")) == ["smoke", "another"]


@pytest.mark.parametrize(
    ("setting", "where"),
    [
        ("train: {seed: 1180591620717411303424}", "train.seed"),
        ("train: {clip: .inf}", "train.clip"),
        ("train: {clip: 1.0e+300}", "train.clip"),
        ("train: {max_minutes: .nan}", "train.max_minutes"),
        ("train: {mixing_temperature: .inf}", "train.mixing_temperature"),
        ("train: {warmup: .nan}", "train.warmup"),
        ("train: {lora: {alpha: 1.0e+300}}", "train.lora.alpha"),
        ("train: {lora: {targets: []}}", "train.lora.targets"),
        ("train: {batch_tokens: 63}", "train.batch_tokens"),
        ("train: {max_length: 1180591620717411303424}", "train.max_length"),
        ("eval: {gates: {accuracy: .nan}}", "eval.gates.accuracy"),
        ("eval: {resamples: 1000000000000}", "eval.resamples"),
        ("data: {validation_share: .nan}", "data.validation_share"),
        ("search: {ranges: {train.clip: {low: 1, high: .inf}}}", "search.ranges.train.clip.high"),
        ("search: {ranges: {train.clip: {choices: [1, .nan]}}}", "search.ranges.train.clip.choices.1"),
        ("train: {peft: {arguments: {scale: .inf}}}", "train.peft.arguments.scale"),
    ],
)
def test_a_number_that_nothing_can_compute_with_is_named_by_its_key(tmp_path: Path, setting: str, where: str) -> None:
    recipe = RECIPE.replace("train: {learning_rate: 0.0002, lora: {rank: 32}}", setting).replace(
        "  smoke: {train: {learning_rate: 0.002}}", "  smoke: {}"
    )
    with pytest.raises(InputError) as caught:
        load_recipe(write(tmp_path, recipe))
    assert where in " ".join(problem.where for problem in caught.value.problems)


@pytest.mark.parametrize("weight", [0.0, 1e300, math.inf, math.nan])
def test_the_weight_of_a_task_has_bounds(weight: float) -> None:
    section = {"use": "task.py:Toy", "weight": weight}
    with pytest.raises(ValidationError, match="weight"):
        Recipe.model_validate({"name": "toy", "base": {"model": "nano"}, "tasks": [section]}, strict=True)


def numbers(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every place of a JSON schema where a number may be, with its bounds."""
    if isinstance(schema, list):
        for index, each in enumerate(schema):
            yield from numbers(each, f"{path}/{index}")
    elif isinstance(schema, dict):
        if schema.get("type") in ("number", "integer"):
            yield path, schema
        for key, each in schema.items():
            yield from numbers(each, f"{path}/{key}")


def test_every_number_of_the_schema_has_a_least_and_a_greatest_value() -> None:
    low, high = {"minimum", "exclusiveMinimum", "enum", "const"}, {"maximum", "exclusiveMaximum", "enum", "const"}
    found = list(numbers(Recipe.model_json_schema()))
    open_ended = [path for path, schema in found if not (low & set(schema) and high & set(schema))]
    of_any_unit = ("EvalSection/properties/gates/", "BaseSection/properties/template_args/")
    assert [path for path in open_ended if not any(name in path for name in of_any_unit)] == []
    assert len(found) >= 40


@pytest.mark.parametrize("seed", [2**70, 2**63, -1])
def test_a_seed_that_no_generator_takes_is_refused_by_its_name(tmp_path: Path, seed: int) -> None:
    text = RECIPE.replace("learning_rate: 0.0002", f"seed: {seed}")
    with pytest.raises(InputError) as caught:
        load_recipe(write(tmp_path, text))
    assert any(problem.where.endswith(" train.seed") for problem in caught.value.problems)
