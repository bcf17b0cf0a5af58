"""The table of all templates is read from the figures on their pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import templates
from kit.evals.figures import write_figures

BLOCK = """Nothing got worse that 2 metrics can tell.

| metric | base | few-shot | tuned | rules | tuned − base | tuned − few-shot | tuned − classical |
| --- | --- | --- | --- | --- | --- | --- | --- |
| noise (lower is better) | 0.100 | 0.500 | 0.400 | 0.300 | +0.300: worse | -0.100: better | +0.100: worse |
| score | 0.100 (0.050–0.150) | 0.200 | 0.900 (0.850–0.950) | 0.700 | +0.800: better | +0.700: better | +0.200: better |
| score, hard (40 examples) | 0.025 | 0.050 | 0.525 | 0.475 |  |  |  |
| score, hard:late (9 examples) | 0.000 | 0.000 | 0.111 | 0.222 |  |  |  |

60 examples in 60 groups."""


def test_the_row_of_a_template_has_its_main_metric_and_its_hard_cases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "templates" / "one" / "README.md"
    page.parent.mkdir(parents=True)
    page.write_text("# One\n\n<!-- figures:one -->\n<!-- /figures -->\n")
    monkeypatch.setattr(templates, "ROOT", tmp_path)
    assert templates._row("one", "score") == {}
    write_figures(page, "one", BLOCK)
    assert templates._row("one", "noise")["tuned"] == 0.4
    assert templates._row("one", "score") == {
        "metric": "score", "base": 0.1, "few-shot": 0.2, "tuned": 0.9, "classical": 0.7,
        "hard base": 0.025, "hard few-shot": 0.05, "hard tuned": 0.525, "hard classical": 0.475,
    }  # fmt: skip


def test_starters_are_not_measured() -> None:
    names = {each.name for each in templates.templates()}
    assert "legal" in names
    assert not names & {"classify", "extract", "write"}
