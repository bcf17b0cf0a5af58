"""Tables fit a terminal of 100 columns with any figures, and name the examples of each column."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kit.cli.shared.output import WIDTH, table
from kit.evals.pages import page_table
from kit.evals.report import TaskReport, report_on
from kit.evals.run import evaluate_predictor
from kit.evals.tables import notes, terminal_table
from kit.metrics.intervals import Interval
from kit.recipe import EvalSection
from tests.kit.evals.words import LongWords, NeedsAnAnswer, Words, asked, cut, examples, right, wrong

TASK = LongWords()
SETTINGS = EvalSection(resamples=200)
ROWS = examples(30)


def report(base_rows: int = 30) -> TaskReport:
    baseline = evaluate_predictor(TASK, lambda request: Words(words=tuple(request.text.split())), ROWS)
    return report_on(TASK, SETTINGS, asked(right, ROWS), asked(wrong, ROWS[:base_rows]), baseline)


def printed(found: TaskReport) -> str:
    return table(*terminal_table(found))


def test_a_terminals_table_holds_every_figure_its_interval_and_both_verdicts() -> None:
    lines = printed(report()).splitlines()
    assert lines[0].split() == [
        "metric", "tuned", "base", "tuned", "−", "base", "classical", "tuned", "−", "classical",
    ]  # fmt: skip
    assert lines[2].split() == ["word_f1", "1.000", "0.000", "+1.000", "better", "0.667", "+0.333", "better"]
    assert lines[3].split()[0] == "1.000–1.000"
    assert "lower is better" in lines[5]


def test_wide_figures_and_long_names_stay_within_a_terminal() -> None:
    def wide(line: Any) -> Any:
        change = replace(line.change, difference=-48.971, interval=Interval(-60.184, -39.144), verdict="cannot tell")
        tuned = replace(line.tuned, value=50.486, interval=Interval(40.462, 61.832))
        name = "false_alarms_per_document" if line.metric == "alarms" else line.metric
        return replace(line, metric=name, tuned=tuned, base=tuned, baseline=tuned, change=change, over_baseline=change)

    found = report()
    lines = printed(replace(found, lines=tuple(map(wide, found.lines)))).splitlines()
    assert max(map(len, lines)) <= WIDTH


def test_a_column_of_fewer_examples_says_so_in_both_tables() -> None:
    found = report(base_rows=20)
    assert printed(found).splitlines()[1].split() == ["examples", "30", "20", "30"]
    assert "on 20 of both" in printed(found)
    assert "base (20 examples)" in page_table(found)[0]


def test_a_column_with_unscored_rows_shows_the_number_of_scored_ones() -> None:
    task = NeedsAnAnswer()
    found = report_on(task, SETTINGS, asked(lambda text: (cut if "lantern7" in text else right)(text), ROWS, task))
    assert printed(found).splitlines()[1].split() == ["examples", "29", "of", "30"]


def test_the_notes_name_the_classical_method() -> None:
    assert "classical: baseline." in notes(report())
