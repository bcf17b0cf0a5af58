"""Clauses of contracts, with the legal template's own task: its documents, and CUAD."""

from __future__ import annotations

from pathlib import Path

from bench.shared.tuning import AnyExample, Trial
from kit.data.formats import read_examples
from kit.data.importing import load_importers
from kit.data.split import first_groups, held_out
from kit.project.template import find_template
from kit.recipe import Recipe, load_recipe
from kit.task.loader import load_tasks
from pretrain.texts.documents import HELD_OUT_SHARE
from pretrain.texts.reading import CONTRACT_GROUPS

_COMPARED = 10
"""The base alone fills every answer to its budget, so it is asked for some of the documents."""


def legal(minutes: float = 5.0) -> Trial:
    """The template's own documents, with the settings of its smoke profile."""
    folder = find_template("legal").folder
    recipe = load_recipe(folder / "recipe.yaml", "smoke")
    (task,) = load_tasks(folder, recipe)
    train, test = (read_examples(folder / "data" / f"{part}.jsonl", task) for part in ("train", "test"))
    return _trial(recipe, train, test, minutes)


def cuad(data: Path, minutes: float = 10.0) -> Trial:
    """CUAD, ten kinds: learned from contracts that pretraining may have read, scored on all that it held out whole.

    An import splits contracts in two ways, and pretraining holds out by both; so does this.
    """
    folder = find_template("legal").folder
    recipe = load_recipe(folder / "recipe.yaml", "cuad")
    examples = load_importers(folder)["cuad"](data / "legal" / "cuad", {})
    train, test = first_groups(examples, CONTRACT_GROUPS)
    fresh = [example for example in train if not held_out(example.group, HELD_OUT_SHARE)]
    return _trial(recipe, fresh, test, minutes)


def _trial(recipe: Recipe, train: list[AnyExample], test: list[AnyExample], minutes: float) -> Trial:
    (task,) = load_tasks(find_template("legal").folder, recipe)
    section = recipe.train.model_copy(update={"epochs": 6.0})
    return Trial(task, train, test, section, minutes, 2, recipe.serve.max_length, compared=_COMPARED)
