"""`kit data augment`: more training examples, reworded from those of the project."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kit.cli.output import Output, kit_command
from kit.workflows import bounds

if TYPE_CHECKING:
    from kit.workflows.augment import Augmentation, AugmentPlan

_SHOWN = 3


@kit_command("augment", example="kit data augment paraphrase --url http://127.0.0.1:8000/v1 --model my-model")
@click.argument("method", type=click.Choice(["rules", "paraphrase", "back-translation"]))
@click.option("--from", "source", type=click.Path(path_type=Path), help="Examples; default: the task's training file.")
@click.option("--to", "target", type=click.Path(path_type=Path), help="Default: beside it, with -augmented.")
@click.option("--task", help="The task that the examples are of, if the recipe has several.")
@click.option(
    "--copies", type=click.IntRange(*bounds.COPIES), default=1, show_default=True, help="New ones of each example."
)
@click.option("--limit", type=click.IntRange(min=1), help="Reword at most this many examples.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of everything random.")
@click.option("--url", help="An endpoint with OpenAI's chat completions, with its version: …/v1")
@click.option("--model", help="The endpoint's model.")
@click.option("--key-env", default="OPENAI_API_KEY", show_default=True, help="Variable that holds the endpoint's key.")
@click.option(
    "--temperature", type=click.FloatRange(*bounds.TEMPERATURE), default=0.7, show_default=True, help="Of the endpoint."
)
@click.option("--language", default="French", show_default=True, help="Language of the back-translation.")
@click.option("--original", default="English", show_default=True, help="Language of the examples.")
@click.option(
    "--concurrency",
    type=click.IntRange(*bounds.CONCURRENCY),
    default=8,
    show_default=True,
    help="Requests at one time.",
)
@click.option("--replace", is_flag=True, help="Overwrite the file of an earlier run.")
@click.option("--dry-run", is_flag=True, help="Say what would be done; ask no endpoint, and write nothing.")
def augment(output: Output, dry_run: bool, key_env: str, **options: Any) -> None:
    """Write the training examples and reworded copies of them to a new file, by a table of English or by a model.

    A copy is in the group of its source and says in its provenance how it was made. Test and held-out examples are
    never reworded; copies that the task refuses are left out and counted. Then name the file in data.train.
    """
    from kit.workflows.augment import augment as make
    from kit.workflows.augment import plan_augment

    if dry_run:
        known = ("method", "source", "target", "task", "limit", "url", "replace")
        plan = plan_augment(**{name: options[name] for name in known})
        data = {"written": False, "examples": len(plan.examples), "held_out": plan.held_out}
        output.result(data, f"Would take {_taken(plan)}")
        return
    _print(output, make(key=os.environ.get(key_env), **options))


def _taken(plan: AugmentPlan) -> str:
    return f"{len(plan.examples)} examples of {plan.source.name}; {plan.held_out} are held out and stay as they are."


def _print(output: Output, made: Augmentation) -> None:
    plan = made.plan
    reasons = [f"  {count} left out: {reason}." for reason, count in made.left_out.items()]
    lines = [
        f"Took {_taken(plan)}",
        f"Wrote {plan.target}: {made.kept} and {len(made.new)} new ones.",
        *reasons,
        *_samples(plan.examples, made.new[:_SHOWN]),
        f"To train on it, set data.train to {os.path.relpath(plan.target)}",
    ]
    data = {
        "written": True,
        "path": str(plan.target),
        "examples": len(plan.examples),
        "held_out": plan.held_out,
        "new": len(made.new),
        "left_out": dict(made.left_out),
    }
    output.result(data, "\n".join(lines))


def _samples(sources: Sequence[Any], made: Sequence[Any]) -> list[str]:
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
