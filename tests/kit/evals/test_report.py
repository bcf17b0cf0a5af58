"""The results of an evaluation: JSON for the attestation, a table, and figures in a page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kit.bundle.attestation import EVALUATION, make_attestation, status_of
from kit.errors import InputError
from kit.evals.cells import NOT_MEASURED
from kit.evals.figures import figures_on, read_figures, write_figures
from kit.evals.pages import complete, page_table, short
from kit.evals.report import TaskReport, attestation, report_on
from kit.evals.run import evaluate_predictor
from kit.recipe import EvalSection
from tests.kit.evals.words import LongWords, Script, Words, answerer, asked, cut, examples, right, wrong

TASK = LongWords()
SETTINGS = EvalSection(resamples=200)


def report(script: Script = right, base_script: Script = wrong, settings: EvalSection = SETTINGS) -> TaskReport:
    rows = examples(24, per_group=2)
    baseline = evaluate_predictor(TASK, lambda request: Words(words=tuple(request.text.split())), rows)
    tuned, base = (asked(each, rows) for each in (script, base_script))
    return report_on(TASK, settings, tuned, base, baseline)


def payload(found: TaskReport) -> dict[str, Any]:
    return attestation("ab" * 32, [found], answerer(right).engine.capabilities, "cd" * 32)


def test_the_payload_is_json_and_says_what_was_measured_on_what() -> None:
    found = json.loads(json.dumps(payload(report()), allow_nan=False))
    assert found["engine"]["name"] == "scripted"
    assert found["data"] == {"test": "cd" * 32}
    assert found["machine"]["cores"] >= 1
    assert "python" in found["versions"]
    [task] = found["tasks"]
    assert (task["examples"], task["groups"]) == (24, 12)
    first = task["metrics"][0]
    assert (first["metric"], first["tuned"]["value"], first["base"]["value"]) == ("word_f1", 1.0, 0.0)
    assert first["change"]["verdict"] == "better"
    assert {gate["outcome"] for gate in found["gates"]} == {"held"}
    assert found["gates"][0]["name"].startswith("long-words: ")


@pytest.mark.parametrize(
    ("script", "base", "settings", "expected"),
    [
        (right, wrong, SETTINGS, "verified"),
        (wrong, right, SETTINGS, "preview"),
        (right, wrong, EvalSection(resamples=200, gates={"word_f1": 0.9}), "verified"),
        (wrong, wrong, EvalSection(resamples=200, gates={"word_f1": 0.9}), "preview"),
    ],
)
def test_the_gates_decide_the_status_of_a_bundle(
    script: Script, base: Script, settings: EvalSection, expected: str
) -> None:
    found = payload(report(script, base, settings))
    attested = make_attestation(EVALUATION, "ab" * 32, 1, "2026-01-01T00:00:00+00:00", found)
    assert status_of([attested]) == expected


def test_a_pages_table_has_one_row_per_metric_and_only_the_columns_that_were_asked_for() -> None:
    headings, rows = page_table(report())
    assert headings == ["metric", "base", "tuned", "baseline", "tuned − base", "tuned − classical"]
    assert rows[0] == [
        "word_f1", "0.000 (0.000–0.000)", "1.000 (1.000–1.000)", "0.667 (0.667–0.667)",
        "+1.000 (+1.000 to +1.000): better", "+0.333 (+0.333 to +0.333): better",
    ]  # fmt: skip
    assert rows[1][0] == "alarms (lower is better)"
    assert rows[2][3] == NOT_MEASURED
    alone = report_on(TASK, SETTINGS, asked(right, examples(12)))
    assert page_table(alone)[0] == ["metric", "tuned"]


def test_a_page_has_findings_then_the_table_then_the_number_of_examples() -> None:
    text = complete(report(script=cut, base_script=right))
    assert text.splitlines()[0].startswith("Gate 'word_f1 not worse than base' failed: 0.000 against 1.000: worse.")
    assert text.splitlines()[-1] == "24 examples in 12 groups; intervals at 95% resample groups."


@pytest.mark.parametrize(
    ("gates", "metrics"),
    [({}, ["word_f1", "stop_rate"]), ({"alarms": 0.5}, ["word_f1", "alarms"]), ({"word_f1": 0.5}, ["word_f1"])],
)
def test_the_short_form_has_the_main_metric_and_those_with_gates(gates: dict[str, float], metrics: list[str]) -> None:
    found = report(settings=EvalSection(resamples=200, gates=gates))
    text = short(found)
    rows = [line.split(" | ")[0].removeprefix("| ") for line in text.splitlines() if line.startswith("| ")][2:]
    assert [row.partition(" (")[0] for row in rows] == metrics
    assert text.splitlines()[0] == complete(found).splitlines()[0]
    assert text.splitlines()[-1] == complete(found).splitlines()[-1]


def test_figures_are_written_between_their_marks_and_nowhere_else(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    one, two = "<!-- figures:one -->\nold\n<!-- /figures -->", "<!-- figures:two --><!-- /figures -->"
    page.write_text(f"before\n{one}\n{two}\nafter\n")
    write_figures(page, "one", "| new |")
    assert read_figures(page, "one") == "| new |"
    write_figures(page, "two", "second")
    write_figures(page, "one", "| newer |")
    text = page.read_text()
    assert text.startswith("before\n<!-- figures:one -->\n| newer |\n<!-- /figures -->")
    assert text.endswith("<!-- figures:two -->\nsecond\n<!-- /figures -->\nafter\n")
    assert figures_on(page) == ["one", "two"]
    assert list(tmp_path.iterdir()) == [page]


@pytest.mark.parametrize(
    "text",
    [
        "no marks",
        "<!-- figures:one -->\nnever closed",
        "<!-- figures:one --><!-- /figures --> <!-- figures:one --><!-- /figures -->",
        "<!-- figures:one --> <!-- figures:two --><!-- /figures -->",
    ],
)
def test_a_page_without_one_clear_place_is_refused_and_unchanged(tmp_path: Path, text: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(InputError, match="no place for the figures 'one'"):
        write_figures(page, "one", "new")
    assert page.read_text() == text
