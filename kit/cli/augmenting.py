"""`kit data augment`: more training examples from those that are there, in other words."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kit.cli.output import Output, kit_command
from kit.errors import InputError, Problem

if TYPE_CHECKING:
    from kit.data.augmentation.augmenting import Augmented, Method
    from kit.data.formats import DataFile
    from kit.project.project import AnyExample, Data

_SHOWN = 3


@dataclass(frozen=True)
class Plan:
    """What is put into other words, and where everything goes."""

    data: Data
    source: DataFile
    chosen: tuple[AnyExample, ...]
    held_out: int
    target: Path


@kit_command("augment", example="kit data augment paraphrase --url http://127.0.0.1:8000/v1 --model my-model")
@click.argument("how", type=click.Choice(["rules", "paraphrase", "back-translation"]))
@click.option("--from", "source", type=click.Path(path_type=Path), help="Examples; default: the task's training file.")
@click.option("--to", "target", type=click.Path(path_type=Path), help="Default: beside it, with -augmented.")
@click.option("--task", "task_name", help="The task that the examples are of, where the recipe has several.")
@click.option("--copies", type=click.IntRange(1, 20), default=1, show_default=True, help="New ones of each example.")
@click.option("--limit", type=click.IntRange(min=1), help="Put at most this many examples into other words.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of everything random.")
@click.option("--url", help="An endpoint that speaks OpenAI's chat completions, with its version: …/v1")
@click.option("--model", help="The endpoint's model.")
@click.option("--key-env", default="OPENAI_API_KEY", show_default=True, help="Variable that holds the endpoint's key.")
@click.option("--temperature", type=click.FloatRange(0, 2), default=0.7, show_default=True, help="Of the endpoint.")
@click.option("--language", default="French", show_default=True, help="Language of the back-translation.")
@click.option("--original", default="English", show_default=True, help="Language of the examples.")
@click.option("--concurrency", type=click.IntRange(1, 64), default=8, show_default=True, help="Requests at one time.")
@click.option("--replace", is_flag=True, help="Overwrite the file of an earlier run.")
@click.option("--dry-run", is_flag=True, help="Say what would be done; ask no endpoint, and write nothing.")
def augment(output: Output, how: str, dry_run: bool, concurrency: int, copies: int, **options: Any) -> None:
    """Write training examples and, after them, new ones in other words: by a small table of English, or by a model.

    Each new one is of its source's group and says in its provenance how it was made. Tests and held-out examples are
    never put into other words; what the task refuses is left out and counted. Then name the file in data.train.
    """
    from kit.data.augmentation.augmenting import augment as make
    from kit.data.formats import write_examples

    plan = _plan(options)
    method = _method(how, options)
    told = f"{len(plan.chosen)} examples of {plan.source.path.name}; {plan.held_out} are held out and stay as they are."
    if dry_run:
        output.result({"written": False, "examples": len(plan.chosen), "held_out": plan.held_out}, f"Would take {told}")
        return
    made = make(plan.data.task, plan.chosen, method, copies, concurrency if how != "rules" else 1)
    write_examples(plan.target, [*plan.source.examples, *made.examples])
    _tell(output, plan, made, told)


def _plan(options: dict[str, Any]) -> Plan:
    from kit.data.augmentation.augmented import validation_groups
    from kit.data.formats import read_file
    from kit.data.split import limited
    from kit.project.project import Project

    project = Project.find()
    data = project.data(project.recipe(), options["task_name"])
    path = (options["source"] or project.root / data.settings.train).absolute()
    target = (options["target"] or path.with_name(f"{path.stem}-augmented{path.suffix}")).absolute()
    if target.exists() and not options["replace"]:
        advice = "Say --replace to write it anew."
        raise InputError("This file exists; nothing is overwritten unasked.", str(target), advice)
    if target == path:
        raise InputError("Source and target are the same file.", str(path), "Name another with --to.")
    file = read_file(path, data.task)
    _refuse_tested(data, file)
    own = data.settings.validation is not None
    held = set() if own else validation_groups(file.examples, data.settings.validation_share)
    kept = [example for example in file.examples if example.group not in held]
    chosen = tuple(limited(kept, options["limit"]))
    return Plan(data, file, chosen, len(file.examples) - len(kept), target)


def _refuse_tested(data: Data, file: DataFile) -> None:
    """Raise InputError with every example whose group is also in the files that measure."""
    tested = {example.group for example in data.test_file.examples}
    tested |= {example.group for example in data.validation_file.examples} if data.validation_file else set()
    problems = [
        Problem(f"The group '{each.group}' is tested on or chooses the checkpoint.", file.places[each.id])
        for each in file.examples
        if each.group in tested
    ]
    if problems:
        advice = "Only what is trained on may be put into other words."
        raise InputError([*problems[:-1], Problem(problems[-1].what, problems[-1].where, advice)])


def _method(how: str, options: dict[str, Any]) -> Method:
    from kit.data.augmentation.augmenting import Method
    from kit.data.augmentation.endpoint import Endpoint
    from kit.data.augmentation.rewording import by_table

    seed = int(options["seed"])
    if how == "rules":
        return Method("rules", {}, lambda example, copy: by_table(f"{seed}/{example.id}/{copy}"))
    if not options["url"]:
        raise InputError("Say which endpoint is to be asked.", "--url", "Such as: --url http://127.0.0.1:8000/v1")
    key = os.environ.get(options["key_env"])
    endpoint = Endpoint(options["url"], options["model"], key, options["temperature"])
    facts = {"model": options["model"] or "the endpoint's default"}
    if how == "paraphrase":
        return Method("paraphrase", facts, lambda _, copy: endpoint.paraphrase(seed + copy))
    language, original = options["language"], options["original"]
    facts["by_way_of"] = language
    return Method("back-translation", facts, lambda _, copy: endpoint.back_translation(language, original, seed + copy))


def _tell(output: Output, plan: Plan, made: Augmented, told: str) -> None:
    reasons = [f"  {count} left out: {reason}." for reason, count in made.left_out.items()]
    lines = [
        f"Took {told}",
        f"Wrote {plan.target}: {len(plan.source.examples)} and {len(made.examples)} new ones.",
        *reasons,
    ]
    lines += _samples(plan.chosen, made.examples[:_SHOWN])
    lines.append(f"Train on it with data.train: {os.path.relpath(plan.target, plan.data.root)}")
    data = {
        "written": True,
        "path": str(plan.target),
        "examples": len(plan.chosen),
        "held_out": plan.held_out,
        "new": len(made.examples),
        "left_out": dict(made.left_out),
    }
    output.result(data, "\n".join(lines))


def _samples(sources: Sequence[AnyExample], made: Sequence[AnyExample]) -> list[str]:
    """Show some requests before and after, so that a person can judge the words."""
    by_id = {example.id: example for example in sources}
    lines = []
    for each in made:
        before = by_id[each.provenance["from"]].request.model_dump_json(exclude_defaults=True)
        lines += [
            f"  {each.id}",
            f"    {before[:300]}",
            f"    {each.request.model_dump_json(exclude_defaults=True)[:300]}",
        ]
    return lines
