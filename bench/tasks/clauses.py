"""Clauses of contracts with the legal template's task: on the template's documents and on CUAD."""

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
"""The untrained base uses its whole token budget for every answer, so it gets only some of the documents."""


def legal(minutes: float = 5.0) -> Trial:
    """Return a trial on the template's own documents, with the settings of its smoke profile."""
    folder = find_template("legal").folder
    recipe = load_recipe(folder / "recipe.yaml", "smoke")
    (task,) = load_tasks(folder, recipe)
    train, test = (read_examples(folder / "data" / f"{part}.jsonl", task) for part in ("train", "test"))
    return _trial(recipe, train, test, minutes)


def cuad(data: Path, minutes: float = 10.0) -> Trial:
    """Return a trial on ten kinds of CUAD: trained on contracts that pretraining may read, tested on held-out ones.

    Imports split contracts in two ways. Pretraining holds out by both, and so does this trial.
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
