"""Every template's own held-out examples, before and after its smoke profile. Also writes the templates' pages.

`python -m bench templates` measures all; `python -m bench.templates NAME...` measures some, and then makes the table of
all from the figures on their pages.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence

from bench.shared.commands import project, train_and_evaluate
from bench.shared.harness import ROOT, Figure, Figures, publish
from kit.evals.figures import read_figures, write_figures
from kit.evals.tables import HARD
from kit.project.template import RECIPE_FILE, Template, list_templates
from kit.recipe import load_recipe
from kit.task.loader import load_tasks

FRONT = "legal"  # the template whose figures the front page shows
_NUMBER = re.compile(r"-?\d+\.\d+")
_BY_TAG = " by tag"


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
    page = ROOT / "templates" / name / "README.md"
    with project(name) as folder:
        training = train_and_evaluate(folder, "smoke", page, name)["training"]
    spent = f"Training took {training['cpu_minutes']} CPU minutes for {int(training['tokens']):,} tokens."
    write_figures(page, name, f"{read_figures(page, name)}\n\n{spent}")
    if name == FRONT:
        write_figures(ROOT / "README.md", name, read_figures(page, name))


def _row(name: str, metric: str) -> Figure:
    """Return a metric of base, tuned and classical, and that of the hard cases, from a template's page."""
    lines = read_figures(ROOT / "templates" / name / "README.md", name).splitlines()
    tables = [_cells(line) for line in lines if line.startswith("| ")]
    whole = next((cells for cells in tables if cells[0].partition(" ")[0] == metric), None)
    if whole is None:
        return {}
    row: Figure = {"metric": metric, **_values(tables[0], whole[1:])}
    tagged = next((index for index, cells in enumerate(tables) if cells[0] == f"{metric}{_BY_TAG}"), len(tables))
    for cells in tables[tagged + 2 :]:
        if cells[0] == HARD:
            hard = _values(tables[tagged], cells[1:])
            return row | {f"hard {key}": value for key, value in hard.items()}
    return row


def _values(headings: Sequence[str], cells: Sequence[str]) -> Figure:
    """Return base, tuned and the classical method by name; the classical column is the one after `tuned`."""
    names = headings[1:]
    found: Figure = {}
    for index, (heading, cell) in enumerate(zip(names, cells, strict=True)):
        after_tuned = index > 0 and names[index - 1] == "tuned" and "−" not in heading
        key = heading if heading in ("base", "tuned") else "classical" if after_tuned else ""
        if key and (number := _NUMBER.match(cell)):
            found[key] = float(number[0])
    return found


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


if __name__ == "__main__":
    publish("templates", measure(sys.argv[1:]))
