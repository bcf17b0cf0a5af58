"""`kit eval`: measure a bundle against its base and a classical baseline, and attest the result."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kit.cli.evaluated import show
from kit.cli.output import Output, kit_command
from kit.errors import Exit
from kit.workflows import evaluate, plan_evaluate

if TYPE_CHECKING:
    from kit.workflows import EvaluationPlan

_CODES = {"held": Exit.OK, "failed": Exit.GATE_FAILED, "unmeasured": Exit.UNMEASURED}


@kit_command("eval", "kit eval --base-limit 20   # the newest bundle; its base on 20 of the test examples")
@click.argument("bundle", default="latest")
@click.option("--engine", type=click.Choice(["local", "vllm"]), help="What generates; default: the bundle's recipe.")
@click.option("--base", type=click.Path(path_type=Path), help="The base model's folder, if it has moved.")
@click.option("--limit", type=click.IntRange(min=1), help="Score at most this many test examples.")
@click.option("--base-limit", type=click.IntRange(min=1), help="Ask the base at most this many of them.")
@click.option("--no-base", is_flag=True, help="Leave the base out; what is judged against it is not measured.")
@click.option("--restart", is_flag=True, help="Ask everything again, and do not continue an interrupted evaluation.")
@click.option("--page", type=click.Path(dir_okay=False, path_type=Path), help="Write the table into this page.")
@click.option("--block", help="Name of the place in the page; default: the bundle's name.")
@click.option("--dry-run", is_flag=True, help="Say what would be measured.")
def command(output: Output, dry_run: bool, no_base: bool, **options: Any) -> int:
    """Measure BUNDLE: base and tuned model and a classical baseline, side by side, and what got worse.

    Every answer is saved as it is made, under evaluations/. After Ctrl-C, the same command continues where it was.
    The result is attested beside the bundle, and decides where it may be served. Exit 4: a gate failed; 3: something
    could not be measured.
    """
    asked = {name: options[name] for name in ("bundle", "engine", "base", "limit", "base_limit")}
    if dry_run:
        output.result(*_planned(plan_evaluate(**asked, with_base=not no_base), not no_base))
        return Exit.OK
    from kit.cli.progress import TrainingLine

    with TrainingLine(output) as line:
        result = evaluate(**options, with_base=not no_base, report=line.report)
    show(output, result)
    return Exit.BROKE if result.problems else _CODES[result.outcome]


def _planned(plan: EvaluationPlan, with_base: bool) -> tuple[dict[str, Any], str]:
    base = f"its base with {plan.base_examples}" if with_base else "without its base"
    text = f"Would score {plan.bundle[:12]} with {plan.examples} examples, and {base}, on {plan.engine}."
    return asdict(plan), text
