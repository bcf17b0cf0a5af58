"""`kit eval`: measure a bundle against its base and a classical baseline, and attest the result."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kit.cli.shared.eval_output import show
from kit.cli.shared.output import Output, kit_command
from kit.errors import Exit
from kit.workflows import evaluate, plan_evaluate

if TYPE_CHECKING:
    from kit.workflows import EvaluationPlan

_CODES = {"held": Exit.OK, "failed": Exit.GATE_FAILED, "unmeasured": Exit.UNMEASURED}


@kit_command("eval", "kit eval --base-limit 20   # the newest bundle; ask its base only 20 test examples")
@click.argument("bundle", default="latest")
@click.option(
    "--engine", type=click.Choice(["local", "vllm"]), help="Engine that answers; default: from the bundle's recipe."
)
@click.option(
    "--base", type=click.Path(path_type=Path), help="Folder of the base model; default: where the bundle says."
)
@click.option(
    "--limit", type=click.IntRange(min=1), help="Score at most this many test examples; default: the recipe's."
)
@click.option("--base-limit", type=click.IntRange(min=1), help="Ask the base at most this many; default: the recipe's.")
@click.option("--no-base", is_flag=True, help="Do not ask the base; gates against it are then not measured.")
@click.option(
    "--few-shot",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Also ask the base with up to N training examples in its prompt, as many as fit.",
)
@click.option(
    "--data",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Measure on this file instead of the test examples; judges no gate, and attests nothing.",
)
@click.option("--restart", is_flag=True, help="Start again; do not continue an interrupted evaluation.")
@click.option(
    "--page",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write the figures into this Markdown file. Can be given several times.",
)
@click.option(
    "--block",
    help="With --page: NAME of the marked places to fill; default: the bundle's name. NAME gets the main metric and "
    "those with gates, NAME-all everything.",
)
@click.option("--dry-run", is_flag=True, help="Print what would be measured, and measure nothing.")
def command(output: Output, dry_run: bool, no_base: bool, **options: Any) -> int:
    """Measure BUNDLE against its base and a classical baseline, and report what got worse.

    Every answer is saved as it is made, under evaluations/. After Ctrl-C, the same command continues.
    The result is saved as an attestation of the bundle, and decides where it may be served. BUNDLE is a digest or an
    alias; default: the newest. Exit code 4: a gate failed. 3: something could not be measured.
    With --data, answers and report are saved apart.
    """
    asked = {name: options[name] for name in ("bundle", "engine", "base", "limit", "base_limit", "few_shot", "data")}
    if dry_run:
        output.result(*_planned(plan_evaluate(**asked, with_base=not no_base), not no_base))
        return Exit.OK
    from kit.cli.shared.progress import TrainingLine

    with TrainingLine(output) as line:
        result = evaluate(**options, with_base=not no_base, report=line.report)
    show(output, result)
    if result.problems:
        return Exit.BROKE
    return Exit.OK if options["data"] else _CODES[result.outcome]


def _planned(plan: EvaluationPlan, with_base: bool) -> tuple[dict[str, Any], str]:
    base = f"its base with {plan.base_examples}" if with_base else "without its base"
    again = f", again with up to {plan.few_shot} training examples in its prompt" if plan.few_shot else ""
    text = f"Would score {plan.bundle[:12]} with {plan.examples} examples, and {base}{again}, on {plan.engine}."
    return asdict(plan), text
