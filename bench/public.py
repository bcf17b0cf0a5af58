"""Public sets: import, train nano and score, with the published figures of others beside ours.

`python -m bench public` measures all; `python -m bench.public NAME...` measures some, and keeps the figures of the
others. Reads DOMAINKIT_DATA. Each set has a complete table of its own on the page.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from bench.shared.commands import project, train_and_evaluate
from bench.shared.harness import ROOT, Figure, Figures, publish
from bench.shared.requirements import public_sets
from kit.evals.figures import read_figures, write_figures
from kit.workflows import import_set

PAGE = ROOT / "docs" / "public-sets.md"
_EVALUATED = "bench"  # the profile that trains on a template's own examples and is scored on a set that only measures
_ROW = re.compile(r"^\| (?P<name>[a-z0-9-]+) \| (?P<cells>.*) \|$", re.MULTILINE)


@dataclass(frozen=True)
class PublicSet:
    """A set and how to measure it: the template, its folder among the public sets, the profile, and the main metric.

    `published` are figures of others, from `source`, on this set; `differs` says what is not the same there.
    """

    template: str
    folder: str
    metric: str
    published: str
    differs: str
    profile: str = ""
    groups: int | None = None
    training: Mapping[str, str] = field(default_factory=dict)


SETS = {
    "pubmedqa": PublicSet(
        "medical",
        "medical/pubmedqa",
        "accuracy",
        "0.552 (always yes), 0.681 (BioBERT), 0.780 (one human)",
        "the official test of 500; ours is a fifth of the other 500",
    ),
    "banking77": PublicSet(
        "support",
        "support/banking77",
        "accuracy",
        "0.937 (BERT)",
        "the official test; ours is a fifth of the official training set",
    ),
    "clinc150": PublicSet(
        "support",
        "support/clinc150",
        "accuracy",
        "0.969 in scope, 0.403 recall of out-of-scope (BERT)",
        "the official test; ours is a fifth of training and validation",
    ),
    "humaneval-infilling": PublicSet(
        "code",
        "code/humaneval_infilling",
        "pass@1",
        "0.769 (Mellum-4B), 0.808 (the same, tuned)",
        "nothing but the model: single-line, 1,033 gaps; we score the first 120 in the file's order",
        profile=_EVALUATED,
        groups=1,
    ),
}


def measure(names: Sequence[str] = ()) -> Figures:
    """Measure the named sets, or all, each into its own table; return the main figures of all sets."""
    rows = _published()
    for name in names or SETS:
        rows[name] = _measure(name, SETS[name])
    return {name: rows[name] for name in SETS if name in rows}


def _measure(name: str, chosen: PublicSet) -> Figure:
    block = f"public-{name}"
    with project(chosen.template) as folder:
        import_set(folder, name=name, path=public_sets() / chosen.folder, groups=chosen.groups)
        if chosen.profile:
            _scored_on(folder, f"data/{name}-test.jsonl")
        figures = train_and_evaluate(folder, chosen.profile or name, PAGE, block)
        passed = _pass_at_1(folder, name) if chosen.metric == "pass@1" else None
    score = passed or figures[chosen.metric]
    spent = figures["training"]
    words = f"Training took {spent['cpu_minutes']} CPU minutes for {int(spent['tokens']):,} tokens."
    write_figures(PAGE, block, f"{read_figures(PAGE, block)}\n\n{words}")
    classical = score.get("baseline", "not measured")
    return {
        "metric": chosen.metric,
        "base": score["base"],
        "tuned": score["tuned"],
        "classical": classical if classical is not None else "not measured",
        "published": chosen.published,
        "what differs there": chosen.differs,
    }


def _scored_on(folder: Path, test: str) -> None:
    """Add a profile that trains as `smoke` does, and is scored on another file."""
    path = folder / "recipe.yaml"
    recipe = yaml.safe_load(path.read_text())
    smoke = recipe["profiles"]["smoke"]
    evaluation = {**smoke.get("eval", {}), "limit": 120, "base_limit": 120}
    recipe["profiles"][_EVALUATED] = {**smoke, "data": {**smoke["data"], "test": test}, "eval": evaluation}
    path.write_text(yaml.safe_dump(recipe, sort_keys=False))


def _pass_at_1(folder: Path, name: str) -> Figure:
    """Run the tests of the completed programs in the template's sandbox; return pass@1 of base, tuned and classical."""
    [answers] = (folder / "evaluations").glob("*/*/answers.jsonl")
    words = [sys.executable, "pass_at_k.py", f"data/{name}-test.jsonl", str(answers)]
    printed = subprocess.run(words, cwd=folder, check=True, capture_output=True, text=True).stdout
    found = {who: float(value) for who, value in re.findall(r"^(\w+): pass@1 ([\d.]+)", printed, re.MULTILINE)}
    return dict(found)


def _published() -> dict[str, Figure]:
    """Return the rows that the page's summary has."""
    lines = read_figures(PAGE, "public").splitlines()
    heads = next((line.strip("| ").split(" | ") for line in lines if line.startswith("| figure |")), [])
    found = _ROW.finditer("\n".join(lines))
    return {each["name"]: dict(zip(heads[1:], each["cells"].split(" | "), strict=True)) for each in found}


if __name__ == "__main__":
    publish("public", measure(sys.argv[1:]), PAGE)
