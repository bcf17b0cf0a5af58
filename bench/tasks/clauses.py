"""Clauses of contracts, with the legal template's own task: its documents, and CUAD."""

from __future__ import annotations

from pathlib import Path

from bench.tuning import AnyExample, Trial
from kit.base.pretrain.documents import HELD_OUT_SHARE
from kit.base.pretrain.reading import CONTRACT_GROUPS
from kit.data.formats import read_examples
from kit.data.importing import load_importers
from kit.data.split import first_groups, held_out, limited
from kit.loader import load_tasks
from kit.recipe import Recipe, load_recipe
from kit.scaffold import find_template


def legal(minutes: float = 5.0) -> Trial:
    """The template's own documents, with the settings of its smoke profile."""
    folder = find_template("legal").folder
    recipe = load_recipe(folder / "recipe.yaml", "smoke")
    (task,) = load_tasks(folder, recipe)
    train, test = (read_examples(folder / "data" / f"{part}.jsonl", task) for part in ("train", "test"))
    return _trial(recipe, train, limited(test, recipe.eval.limit), minutes)


def cuad(data: Path, minutes: float = 10.0, tested: int = 10) -> Trial:
    """CUAD, ten kinds: contracts that pretraining held out on both of the ways in which an import splits them."""
    folder = find_template("legal").folder
    recipe = load_recipe(folder / "recipe.yaml", "cuad")
    examples = load_importers(folder)["cuad"](data / "legal" / "cuad", {})
    train, test = first_groups(examples, CONTRACT_GROUPS)
    fresh = [example for example in train if not held_out(example.group, HELD_OUT_SHARE)]
    return _trial(recipe, fresh, limited(test, tested), minutes)


def _trial(recipe: Recipe, train: list[AnyExample], test: list[AnyExample], minutes: float) -> Trial:
    (task,) = load_tasks(find_template("legal").folder, recipe)
    section = recipe.train.model_copy(update={"epochs": 6.0})
    return Trial(task, train, test, section, minutes, shots=2, max_length=recipe.serve.max_length)
