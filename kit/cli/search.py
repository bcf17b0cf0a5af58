"""`kit search`: try settings within the ranges that the recipe declares."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from kit.cli.shared.output import Output, kit_command, table
from kit.workflows import SearchPlan, SearchResult, bounds, plan_search, search

if TYPE_CHECKING:
    from kit.recipe import Range


@kit_command("search", "kit search --trials 20 --workers 2")
@click.option("--profile", help="Profile of the recipe; default: none.")
@click.option("--trials", type=click.IntRange(min=1), help="Number of trials in all; default: the recipe's.")
@click.option(
    "--workers", type=click.IntRange(*bounds.WORKERS), help="Number of trials at the same time; default: the recipe's."
)
@click.option("--dry-run", is_flag=True, help="Print what would be tried, and try nothing.")
@click.option("--worker", "number", type=click.IntRange(min=0), hidden=True)
def command(output: Output, dry_run: bool, number: int | None, **options: Any) -> None:
    """Try settings within the ranges of the recipe's search section; one trial always uses the recipe's own values.

    Safe to interrupt; run it again to continue, or with more --trials to extend the search. The best recipe is written
    to a file, and compared with the recipe's own values on the test examples (paired).
    """
    from kit.cli.shared.progress import TrainingLine
    from kit.workflows.searching import run_search_worker

    if number is not None:
        run_search_worker(number, **options)
    elif dry_run:
        _show_plan(output, plan_search(**options))
    else:
        with TrainingLine(output) as line:
            found = search(report=line.report, **options)
        show_result(output, found)


def _show_plan(output: Output, plan: SearchPlan) -> None:
    data = {
        **asdict(plan),
        "study": str(plan.study),
        "ranges": {name: span.model_dump(exclude_defaults=True) for name, span in plan.ranges.items()},
    }
    rows = [(name, _span(span), str(plan.defaults[name])) for name, span in plan.ranges.items()]
    head = f"{plan.trials} trials by {plan.metric}, {plan.workers} at a time, in {plan.study}"
    made = ", ".join(f"{count} {name}" for name, count in plan.made.items())
    output.result(data, "\n".join([head, f"Made so far: {made}.", table(("setting", "range", "default"), rows)]))


def _span(span: Range) -> str:
    if span.choices is not None:
        return ", ".join(map(str, span.choices))
    return f"{span.low} to {span.high}{' (log)' if span.log else ''}"


def show_result(output: Output, found: SearchResult) -> None:
    """Print the trials, the best of them, and whether it beats the recipe's own values."""
    known = found.importance
    shares = ", ".join(f"{name} {share:.0%}" for name, share in known.items()) if known else "too few trials to say"
    values = ", ".join(f"{name} {value}" for name, value in found.best.values.items())
    lines = [
        _trials(found),
        f"Importance for {found.metric}: {shares}.",
        f"Best: trial {found.best.number} ({values}).",
        found.verdict,
        f"Its recipe: {found.recipe}",
    ]
    output.result({**asdict(found), "study": str(found.study), "recipe": str(found.recipe)}, "\n".join(lines))


def _trials(found: SearchResult) -> str:
    names = sorted({name for made in found.tried for name in made.values})
    rows = [
        [
            str(made.number),
            made.outcome,
            "-" if made.value is None else f"{made.value:.4f}",
            *(_value(made.values.get(name)) for name in names),
        ]
        for made in found.tried
    ]
    return table(("trial", "outcome", "value", *names), rows)


def _value(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
