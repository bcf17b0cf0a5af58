"""`kit train`: tune the base on the project's examples, and end with a bundle."""

from __future__ import annotations

from typing import Any

import click

from kit.cli.shared.output import Output, kit_command, table
from kit.cli.shared.ranges import PEAK_TFLOPS, PRICE_PER_HOUR, THREADS
from kit.workflows import TrainPlan, TrainResult, plan_train, train


@kit_command("train", "kit train --profile smoke")
@click.option("--profile", help="Profile of the recipe; default: none.")
@click.option("--resume", is_flag=True, help="Continue the last unfinished run of this recipe and data.")
@click.option("--threads", type=THREADS, help="CPU threads; default: one per core.")
@click.option("--dry-run", is_flag=True, help="Print the plan, and train nothing.")
@click.option("--price-per-hour", type=PRICE_PER_HOUR, help="Price of the machine per hour; gives a cost.")
@click.option(
    "--peak-tflops", type=PEAK_TFLOPS, help="Peak speed of the device in TFLOP/s; gives a lower bound of the time."
)
def command(output: Output, resume: bool, threads: int | None, dry_run: bool, **options: Any) -> None:
    """Train, choose the best checkpoint by the task's metric, and build a sealed bundle.

    Ctrl-C saves a checkpoint and stops. --resume continues from it, with the same result as an uninterrupted run.
    """
    from kit.cli.shared.progress import TrainingLine

    with TrainingLine(output) as line:
        if dry_run:
            plan = plan_train(report=line.report, **options)
        else:
            result = train(resume=resume, threads=threads, report=line.report, **options)
    if dry_run:
        _show_plan(output, plan)
    elif result.bundle:  # of several processes, only the first builds a bundle
        _show_result(output, result)


def _show_plan(output: Output, plan: TrainPlan) -> None:
    shares = {f"share_of_{name}": round(share, 4) for name, share in plan.shares.items()}
    numbers = {**plan.numbers, **shares}
    lines = table(("plan", ""), [(name, str(value)) for name, value in numbers.items()])
    output.result({**numbers, "estimate": plan.estimate.facts()}, "\n".join([lines, "", *plan.estimate.lines()]))


def _show_result(output: Output, result: TrainResult) -> None:
    names = ("run", "step", "score", "validation_loss", "tokens", "seconds", "scores", "bundle")
    data = {name: getattr(result, name) for name in names}
    odd = [f"Not as asked: {result.not_as_asked}"] if result.not_as_asked else []
    output.result(
        {**data, "folder": str(result.path), "not_as_asked": result.not_as_asked},
        "\n".join([*odd, f"Bundle {result.bundle[:12]} in {result.path}", "Next: kit eval"]),
    )
