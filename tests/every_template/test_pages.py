"""A template's page is short, and says what it is, for whom, from which data, how good, and what it is not for."""

from __future__ import annotations

import re

import pytest

from kit.project.template import Template
from tests.every_template.conftest import TEMPLATES

FEWER_LINES = 120
DOMAINS = [each for each in TEMPLATES if not each.is_starter]
SECTIONS = {
    "what it is, and for whom": r"\A# .+?\bIt is for \w",
    "requests and answers": r"\bPOST /v1/",
    "the data and its licences": r"^## Data\b[^\n]*$.*?Apache-2\.0",
    "figures": r"^## Figures$.*?(<!-- figures:[\w-]+ -->|Not measured yet\.)",
    "limits": r"^## Limits$",
    "what it must not be used for": r"(\*\*Not for\*\*|Do not use it|must not)",
}


def page(template: Template, name: str = "README.md") -> str:
    return (template.folder / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("template", TEMPLATES, ids=[each.name for each in TEMPLATES])
def test_a_templates_page_has_fewer_than_120_lines(template: Template) -> None:
    assert len(page(template).splitlines()) < FEWER_LINES


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize("template", DOMAINS, ids=[each.name for each in DOMAINS])
def test_the_page_of_a_template_for_a_domain_has_every_section(template: Template, section: str) -> None:
    intro, _, _ = page(template).partition("\n## ")
    text = intro if section.startswith("what it is,") else page(template)
    assert re.search(SECTIONS[section], text, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("template", DOMAINS, ids=[each.name for each in DOMAINS])
def test_the_page_has_the_main_figures_and_a_page_of_its_own_has_all(template: Template) -> None:
    if "\nNot measured yet.\n" in page(template):
        pytest.skip(f"{template.name} has no figures yet, so it is not shown that its page has the main ones.")
    assert "[FIGURES.md](FIGURES.md)" in page(template)
    short, complete = (_metrics(page(template, name)) for name in ("README.md", "FIGURES.md"))
    assert short
    assert short <= complete
    assert len(short) < len(complete)


def _metrics(text: str) -> set[str]:
    """Return the names of the metrics in the tables with a column for the tuned model."""
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    headings = [at for at, row in enumerate(rows) if row[0] == "metric" and "tuned" in row]
    found: set[str] = set()
    for at in headings:
        following = rows[at + 2 :]
        end = next((index for index, row in enumerate(following) if "tuned" in row), len(following))
        found |= {row[0] for row in following[:end] if "," not in row[0]}
    return found
