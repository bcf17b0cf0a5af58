"""`kit data augment`: makes more training examples by rewording the project's own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kit.cli.shared.output import Output, kit_command
from kit.workflows import bounds

if TYPE_CHECKING:
    from kit.workflows.augmentation import Augmentation, AugmentPlan

_SHOWN = 3


@kit_command("augment", example="kit data augment paraphrase --url http://127.0.0.1:8000/v1 --model my-model")
@click.argument("method", type=click.Choice(["rules", "paraphrase", "back-translation"]))
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path),
    help="File of examples to reword; default: the task's training file.",
)
@click.option(
    "--to", "target", type=click.Path(path_type=Path), help="File to write; default: the source's name with -augmented."
)
@click.option("--task", help="Task of the examples, if the recipe has several.")
@click.option(
    "--copies", type=click.IntRange(*bounds.COPIES), default=1, show_default=True, help="New examples from each one."
)
@click.option("--limit", type=click.IntRange(min=1), help="Reword at most this many examples; default: all.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of all random numbers.")
@click.option("--url", help="Endpoint with OpenAI's chat completions, ending in its version: …/v1")
@click.option("--model", help="Name of the endpoint's model.")
@click.option(
    "--key-env", default="OPENAI_API_KEY", show_default=True, help="Environment variable with the endpoint's key."
)
@click.option(
    "--temperature",
    type=click.FloatRange(*bounds.TEMPERATURE),
    default=0.7,
    show_default=True,
    help="Sampling temperature.",
)
@click.option("--language", default="French", show_default=True, help="Language to translate to and back from.")
@click.option("--original", default="English", show_default=True, help="Language of the examples.")
@click.option(
    "--concurrency",
    type=click.IntRange(*bounds.CONCURRENCY),
    default=8,
    show_default=True,
    help="Requests at the same time.",
)
@click.option("--replace", is_flag=True, help="Overwrite the file to write if it exists.")
@click.option("--dry-run", is_flag=True, help="Print what would be reworded; ask no endpoint, write nothing.")
def augment(output: Output, dry_run: bool, key_env: str, **options: Any) -> None:
    """Write the training examples and reworded copies of them to a new file.

    METHOD `rules` uses a small table of English phrases; the others ask a model. A copy is in the group of its source,
    and its provenance says how it was made. Test and held-out examples are never reworded. Copies that the task refuses
    are left out and counted. To train on the new file, name it in data.train.
    """
    from kit.workflows.augmentation import augment as make
    from kit.workflows.augmentation import plan_augment

    if dry_run:
        known = ("method", "source", "target", "task", "limit", "url", "replace")
        plan = plan_augment(**{name: options[name] for name in known})
        data = {"written": False, "examples": len(plan.examples), "held_out": plan.held_out}
        output.result(data, f"Would take {_taken(plan)}")
        return
    _print(output, make(key=os.environ.get(key_env), **options))


def _taken(plan: AugmentPlan) -> str:
    return f"{len(plan.examples)} examples of {plan.source.name}; {plan.held_out} are held out and not reworded."


def _print(output: Output, made: Augmentation) -> None:
    plan = made.plan
    reasons = [f"  {count} left out: {reason}." for reason, count in made.left_out.items()]
    lines = [
        f"Took {_taken(plan)}",
        f"Wrote {plan.target}: {made.kept} original and {len(made.new)} new examples.",
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
    """Show some requests before and after, so that a person can judge the rewording."""
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
