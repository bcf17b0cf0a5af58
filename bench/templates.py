"""Every template's own held-out examples, before and after its smoke profile. Also writes the templates' pages.

A template's README gets the main metric and those with gates, its FIGURES.md everything. Beside base, tuned model and
classical method stands few-shot: the base with training examples in its prompt.

`python -m bench templates` measures all; `python -m bench.templates NAME...` measures some, and then makes the table of
all from the figures on their pages.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence

from bench.shared.commands import project, train_and_evaluate
from bench.shared.harness import ROOT, Figure, Figures, publish
from kit.evals.cells import HARD, LOWER
from kit.evals.figures import read_figures, write_figures
from kit.project.template import RECIPE_FILE, Template, list_templates
from kit.recipe import load_recipe
from kit.task.loader import load_tasks

FRONT = "legal"  # the template whose figures the front page shows
MOST_SHOTS = 4
_NUMBER = re.compile(r"-?\d+\.\d+")


def templates() -> list[Template]:
    """Return the templates that are for a domain; starters are small on purpose and measured by the tutorial."""
    return [each for each in list_templates() if not each.is_starter]


def measure(names: Sequence[str] = ()) -> Figures:
    """Train and evaluate the named templates, or all, into their pages; return the main figures on all pages."""
    for each in templates():
        if not names or each.name in names:
            _measure_one(each.name)
    return {each.name: row for each in templates() if (row := _row(each.name, _main_metric(each)))}


def _main_metric(template: Template) -> str:
    """Return the main metric of the template's first task."""
    return load_tasks(template.folder, load_recipe(template.folder / RECIPE_FILE))[0].main_metric


def _measure_one(name: str) -> None:
    short, complete = (ROOT / "templates" / name / page for page in ("README.md", "FIGURES.md"))
    if not complete.is_file():
        complete.write_text(_new_page(name), encoding="utf-8")
    with project(name) as folder:
        training = train_and_evaluate(folder, "smoke", [short, complete], name, MOST_SHOTS)["training"]
    spent = f"Training took {training['cpu_minutes']} CPU minutes for {int(training['tokens']):,} tokens."
    for page, block in ((short, name), (complete, f"{name}-all")):
        write_figures(page, block, f"{read_figures(page, block)} {spent}")
    if name == FRONT:
        write_figures(ROOT / "README.md", name, read_figures(short, name))


def _new_page(name: str) -> str:
    """Return the page for all figures of a template, still without any."""
    about = (
        "Every metric of the profile `smoke` on this template's own test examples, and the main metric by tag, the\n"
        "worst first. [README.md](README.md) says what it measures. `kit eval --page FIGURES.md` writes yours here."
    )
    return f"# All figures of {name}\n\n{about}\n\n<!-- figures:{name}-all -->\n<!-- /figures -->\n"


def _row(name: str, metric: str) -> Figure:
    """Return a metric of each column, on all examples and on the hard cases, from a template's page."""
    lines = read_figures(ROOT / "templates" / name / "README.md", name).splitlines()
    table = [_cells(line) for line in lines if line.startswith("| ")]
    whole = next((cells for cells in table if cells[0] in (metric, f"{metric}{LOWER}")), None)
    if whole is None:
        return {}
    row: Figure = {"metric": metric, **_values(table[0], whole[1:])}
    hard = next((cells for cells in table if cells[0].startswith(f"{metric}, {HARD} (")), None)
    return row | {f"hard {key}": value for key, value in (_values(table[0], hard[1:]) if hard else {}).items()}


def _values(headings: Sequence[str], cells: Sequence[str]) -> Figure:
    """Return base, few-shot, tuned and the classical method by name; the classical column is the one after `tuned`."""
    names = headings[1:]
    found: Figure = {}
    for index, (heading, cell) in enumerate(zip(names, cells, strict=True)):
        after_tuned = index > 0 and names[index - 1] == "tuned" and "−" not in heading
        key = heading if heading in ("base", "few-shot", "tuned") else "classical" if after_tuned else ""
        if key and (number := _NUMBER.match(cell)):
            found[key] = float(number[0])
    return found


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


if __name__ == "__main__":
    publish("templates", measure(sys.argv[1:]))
