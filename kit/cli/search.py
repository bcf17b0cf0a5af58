"""`kit search`: try settings within the ranges that the recipe declares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from kit.cli.output import Output, kit_command, table

if TYPE_CHECKING:
    from kit.cli.train import Plan
    from kit.search.report import Tried
    from kit.search.study import Study


@kit_command("search", "kit search --trials 20 --workers 2")
@click.option("--profile", help="A profile of the recipe.")
@click.option("--trials", type=click.IntRange(min=1), help="Trials in all; default: the recipe's.")
@click.option("--workers", type=click.IntRange(min=1, max=64), help="Trials at one time; default: the recipe's.")
@click.option("--dry-run", is_flag=True, help="Print what would be tried, and try nothing.")
@click.option("--worker", "number", type=click.IntRange(min=0), hidden=True)
def command(
    output: Output, profile: str | None, trials: int | None, workers: int | None, dry_run: bool, number: int | None
) -> None:
    """Search the ranges of the recipe's search section; its own values are always one of the trials.

    Begun again after an end of any kind, it goes on; more --trials go further. The best recipe is written as a file,
    and compared with the recipe's own values on the test examples, paired.
    """
    from kit.cli.searching import compare_on_test, lead, open_study, work
    from kit.search.report import write_report

    plan = _plan(profile, trials, workers)
    study = open_study(plan, number or 0)
    if number is not None:
        work(plan, study)
        return
    metric = _metric(plan)
    if dry_run:
        _tell_plan(output, plan, study, metric)
        return
    with study.leading():
        lead(output, plan, study, profile)
        report = write_report(study, metric, compare_on_test(output, plan, study))
    output.result({"study": str(study.folder), **report.facts()}, report.text(_table(report.tried)))


def _plan(profile: str | None, trials: int | None, workers: int | None) -> Plan:
    from importlib.util import find_spec

    from kit.cli.train import plan_of
    from kit.errors import InputError, MissingExtra
    from kit.project.project import Project

    if find_spec("optuna") is None:
        raise MissingExtra("optuna", "search")
    project = Project.find()
    recipe = project.recipe(profile)
    asked = {name: value for name, value in {"trials": trials, "workers": workers}.items() if value is not None}
    recipe = recipe.model_copy(update={"search": recipe.search.model_copy(update=asked)})
    if len(recipe.tasks) > 1:
        what = "A search compares on the test examples of one task, and the recipe has several."
        raise InputError(what, "tasks", "Search with each task alone, and train them together with what was found.")
    return plan_of(project, recipe, profile)


def _metric(plan: Plan) -> str:
    by_score = plan.recipe.search.metric == "score"
    return plan.data.metric if by_score else "validation loss"


def _tell_plan(output: Output, plan: Plan, study: Study, metric: str) -> None:
    search = plan.recipe.search
    data: dict[str, Any] = {
        "study": str(study.folder),
        "metric": metric,
        "trials": search.trials,
        "workers": search.workers,
        "made": study.counts(),
        "defaults": study.defaults,
        "ranges": {name: span.model_dump(exclude_defaults=True) for name, span in search.ranges.items()},
    }
    rows = [(name, _span(span), str(study.defaults[name])) for name, span in data["ranges"].items()]
    head = f"{search.trials} trials by {metric}, {search.workers} at one time, in {study.folder}"
    made = ", ".join(f"{count} {name}" for name, count in data["made"].items())
    output.result(data, "\n".join([head, f"Made so far: {made}.", table(("setting", "range", "default"), rows)]))


def _span(span: dict[str, Any]) -> str:
    if "choices" in span:
        return ", ".join(map(str, span["choices"]))
    return f"{span['low']} to {span['high']}{' (log)' if span.get('log') else ''}"


def _table(tried: tuple[Tried, ...]) -> str:
    names = sorted({name for made in tried for name in made.values})
    rows = [
        [
            str(made.number),
            made.outcome,
            "-" if made.value is None else f"{made.value:.4f}",
            *(_value(made.values.get(name)) for name in names),
        ]
        for made in tried
    ]
    return table(("trial", "outcome", "value", *names), rows)


def _value(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
